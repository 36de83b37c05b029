#!/usr/bin/python3
"""Overload against libzmq: a subscriber that is slow gets the newest, and a receiver of ours sheds what libzmq sends."""
import sys

import zmq

from peer import Failed, until
from remote import Remote
from runner import main, tests_of

BODY = "('x'):rep(50000)"
COUNT = 600  # times 50 kB: more than the kernel and libzmq's queue hold


def slow_sub(bench, remote, options):
    at = remote(f"pub = sb.pub {{ bind = 'tcp://127.0.0.1:*', sndhwm = 10, sndbuf = '16k', {options} }} "
                "events = {} pub:on_peer(function(event) events[event] = (events[event] or 0) + 1 end) return pub.last_endpoint")
    sub = bench.zmq("SUB", rcvhwm=1, rcvbuf=16384)
    sub.subscribe(b"")
    sub.connect(at)
    until(lambda: remote("return pub:stats().subscriptions") == 1, 5, "the subscription")
    for begin in range(1, COUNT, 100):
        remote(f"for i = {begin}, {begin + 99} do pub:send {{ tostring(i), {BODY} }} sb.sleep(0.0005) end")
    return sub


def read_all(sub):
    sub.rcvtimeo = 500
    got = []
    try:
        while True:
            got.append(int(sub.recv_multipart()[0]))
    except zmq.Again:
        return got


def test_drop_old_leaves_the_newest_to_a_slow_subscriber(bench):
    remote = Remote(bench)
    sub = slow_sub(bench, remote, "on_full = 'drop_old'")
    got = read_all(sub)
    dropped = remote("return pub:stats().dropped.evicted")
    assert got == sorted(got) and got[-5:] == list(range(COUNT - 4, COUNT + 1)), got[-12:]
    assert dropped > 0 and dropped + len(got) == COUNT, (dropped, len(got))
    assert remote("return events.congested") >= 1
    until(lambda: remote("return events.relieved") is not None, 5, "relieved")


def test_drop_new_leaves_the_oldest(bench):
    remote = Remote(bench)
    sub = slow_sub(bench, remote, "on_full = 'drop_new'")
    got = read_all(sub)
    dropped = remote("return pub:stats().dropped.hwm")
    assert got[:5] == [1, 2, 3, 4, 5] and dropped > 0 and dropped + len(got) == COUNT, (got[:5], dropped, len(got))


def test_a_slow_subscriber_is_disconnected(bench):
    remote = Remote(bench)
    slow_sub(bench, remote, "on_full = 'disconnect'")
    until(lambda: remote("return events.disconnected") is not None, 5, "disconnected")


def test_messages_expire_before_a_slow_subscriber(bench):
    remote = Remote(bench)
    sub = slow_sub(bench, remote, "message_ttl = 0.3, on_full = 'drop_old'")
    def settled():
        expired, dropped, out, queued = remote("local s = pub:stats() return s.dropped.expired, s.dropped.evicted, "
                                               "s.msgs_out, s.queued_out_msgs")
        assert expired + dropped + out + queued == COUNT, (expired, dropped, out, queued)
        return expired > 0 and queued <= 3  # what is being written stays
    until(settled, 10, "what waits expires")
    assert read_all(sub)


def test_conflation_by_key_keeps_all_frames_of_the_newest(bench):
    remote = Remote(bench)
    remote("push = sb.push { conflate_key = 2, linger = 0 } "
           "push:connect 'tcp://127.0.0.1:1'")  # nobody is there: all waits
    for i in range(3):
        remote(f"for k = 1, 5 do push:send {{ 'head', 'k' .. k, tostring({i}), '' }} end")
    pull = bench.zmq("PULL")
    pull.bind("tcp://127.0.0.1:*")
    at = pull.getsockopt_string(zmq.LAST_ENDPOINT)
    remote(f"other = sb.push {{ conflate_key = 2, reconnect_ivl = 0.05 }} other:connect '{at}'")
    for k in range(1, 6):
        remote(f"other:send {{ 'head', 'k{k}', 'last', '' }}")
    for k in range(1, 6):
        got = pull.recv_multipart()
        if got != [b"head", b"k%d" % k, b"last", b""]:
            raise Failed(f"got {got}")
    assert remote("local n = push:stats().dropped.conflated push:close() return n") == 10


def test_a_slow_receiver_of_ours_sheds_what_libzmq_sends(bench):
    remote = Remote(bench)
    at = remote("pull = sb.pull { bind = 'tcp://127.0.0.1:*', rcvhwm = 20, on_full = 'drop_old' } return pull.last_endpoint")
    push = bench.zmq("PUSH")
    push.connect(at)
    for i in range(1, 1001):
        push.send_multipart([str(i).encode(), b"tail"])
    until(lambda: remote("return pull:stats().msgs_in") == 1000, 10, "all came in")
    got = remote("local t = {} for m in function() return (pull:recv(0)) end do t[#t + 1] = tonumber(m[1]) end return t")
    assert got == list(range(981, 1001)), got
    assert remote("return pull:stats().dropped.evicted") == 980


def events_of(name):
    return f"events = {{}} {name}:on_peer(function(event) events[event] = (events[event] or 0) + 1 end) "


def test_an_honest_worker_behind_a_long_backlog_stays(bench):
    remote = Remote(bench)
    front, back = remote("front = sb.pull { bind = 'tcp://127.0.0.1:*' } "
                         "back = sb.push { bind = 'tcp://127.0.0.1:*', sndhwm = 1, on_full = 'disconnect' } "
                         + events_of("back") + "front:pipe(back) return front.last_endpoint, back.last_endpoint")
    push, pull = bench.zmq("PUSH", sndhwm=0), bench.zmq("PULL", rcvtimeo=20000)
    push.connect(front)
    for i in range(5000):
        push.send(b"%d" % i)
    until(lambda: remote("return front:stats().msgs_in") >= 1, 5, "the backlog is there")
    pull.connect(back)
    assert [int(pull.recv()) for _ in range(5000)] == list(range(5000))
    assert remote("return events.disconnected == nil and back:stats().dropped.lost") == 0


def test_a_worker_that_takes_nothing_is_disconnected(bench):
    remote = Remote(bench)
    at = remote("push = sb.push { bind = 'tcp://127.0.0.1:*', sndhwm = 2, sndbuf = '16k', on_full = 'disconnect' } "
                + events_of("push") + "return push.last_endpoint")
    pull = bench.zmq("PULL", rcvhwm=1, rcvbuf=16384)
    pull.connect(at)
    until(lambda: remote("return push:stats().peers") == 1, 5, "the worker")
    remote(f"sb.spawn(function() for i = 1, {COUNT} do push:send {{ tostring(i), {BODY} }} end end)")  # waits, and no more is sent
    until(lambda: remote("return events.disconnected") is not None, 10, "disconnected")
    assert remote("return push:stats().dropped.hwm") == 0


def test_a_burst_beyond_rcvhwm_ends_no_connection(bench):
    remote = Remote(bench)
    at = remote("pull = sb.pull { bind = 'tcp://127.0.0.1:*', rcvhwm = 20, on_full = 'disconnect' } "
                + events_of("pull") + "return pull.last_endpoint")
    push = bench.zmq("PUSH", sndhwm=0)
    push.connect(at)
    for i in range(2000):
        push.send(b"%d" % i)
    remote("got = {} sb.spawn(function() for m in function() return (pull:recv()) end do got[#got + 1] = tonumber(m[1]) end end)")
    until(lambda: remote("return #got") == 2000, 20, "all came")
    assert remote("return got") == list(range(2000))
    assert remote("return events.disconnected == nil and pull:stats().dropped.hwm") == 0


def test_who_sends_what_nobody_takes_is_disconnected(bench):
    remote = Remote(bench)
    at = remote("pull = sb.pull { bind = 'tcp://127.0.0.1:*', rcvhwm = 20, on_full = 'disconnect' } "
                + events_of("pull") + "return pull.last_endpoint")
    push = bench.zmq("PUSH")
    push.connect(at)
    for i in range(40):
        push.send(b"%d" % i)
    until(lambda: remote("return events.disconnected") is not None, 10, "disconnected")
    assert remote("local t = {} for i = 1, 20 do t[i] = tonumber(pull:recv(1)[1]) end return t") == list(range(20))


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
