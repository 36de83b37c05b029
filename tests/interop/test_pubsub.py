#!/usr/bin/python3
"""Pub/sub features against libzmq: its subscribers are late joiners of ours, its publishers confirm our subscriptions."""
import selectors
import socket
import sys
import threading

import zmq

from peer import SLOW, until
from remote import Remote
from runner import main, tests_of
from zmtp import Raw, message


def read(sub, n):
    return [b"|".join(sub.recv_multipart()).decode() for _ in range(n)]


def test_a_late_subscriber_of_libzmq_gets_what_it_missed(bench):
    remote = Remote(bench)
    at = remote("pub = sb.pub { bind = 'tcp://127.0.0.1:*', retain = { last = 2, per = 'topic' } } return pub.last_endpoint")
    remote("for i = 1, 5 do pub:send { 'a', tostring(i), '' } pub:send { 'b', tostring(i) } end")
    sub = bench.zmq("SUB")
    sub.subscribe(b"a")
    sub.connect(at)
    assert read(sub, 2) == ["a|4|", "a|5|"]
    remote("pub:send { 'a', 'live' } pub:send { 'b', 'live' }")
    assert read(sub, 1) == ["a|live"]
    sub.subscribe(b"")
    assert read(sub, 2) == ["b|5", "b|live"]
    other = bench.zmq("XSUB")
    other.connect(at)
    other.send(b"\1a")
    assert read(other, 2) == ["a|5|", "a|live"]


def test_a_replay_larger_than_the_high_water_mark(bench):
    remote = Remote(bench)
    at = remote("pub = sb.pub { bind = 'tcp://127.0.0.1:*', sndhwm = 100, retain = { last = 1, per = 'topic' } } "
                "return pub.last_endpoint")
    remote("for i = 1, 5000 do pub:send { ('t%04d'):format(i), ('x'):rep(200) } end")
    sub = bench.zmq("SUB", rcvhwm=0)
    sub.subscribe(b"t")
    sub.connect(at)
    assert [m[:5] for m in read(sub, 5000)] == [f"t{i:04d}" for i in range(1, 5001)]
    assert remote("return pub:stats().dropped.hwm") == 0


def test_subscriptions_are_confirmed_by_libzmq(bench):
    remote = Remote(bench)
    pub = bench.zmq("XPUB")
    pub.bind("tcp://127.0.0.1:*")
    at = pub.getsockopt_string(zmq.LAST_ENDPOINT)
    remote(f"sub = sb.sub {{ connect = '{at}' }} assert(sub:subscribe('orders', {{ confirm = true, timeout = 5 }}))")
    pub.rcvtimeo = 0  # it is there by now: an XPUB that is asked has it
    assert pub.recv() == b"\1orders"
    pub.send(b"orders.1")
    assert remote("return sub:recv(5)[1]") == "orders.1"
    assert remote("return sub:stats().peers") == 1  # the question did no harm


def test_subscribers_of_libzmq_are_narrowed(bench):
    remote = Remote(bench)
    at = remote("""pub = sb.xpub { bind = 'tcp://127.0.0.1:*' }
        pub:on_subscribe(function(topic, peer)
          if topic == 'order.' then return { match = 'order.*.eu' } end
          if topic == 'status' then return sb.ACCEPT, { exact = true } end
          if topic == 'big.' then return function(msg) return #msg[2] > 3 end end
          return sb.ACCEPT
        end)
        return pub.last_endpoint""")
    sub, other = bench.zmq("SUB"), bench.zmq("XSUB")
    for topic in (b"order.", b"status", b"big.", b"end"):
        sub.subscribe(topic)
    sub.connect(at)
    other.connect(at)
    other.send(b"\1")
    until(lambda: remote("return pub:stats().subscriptions") == 5, 5, "the subscriptions")
    remote("""for _, t in ipairs { 'order.1.eu', 'order.1.us', 'order.1.2.eu', 'status', 'status2', 'big.a', 'end' } do
        pub:send { t, 'xxxx' } end pub:send { 'big.b', 'x' } pub:send { 'end', '2' }""")
    assert read(sub, 5) == ["order.1.eu|xxxx", "status|xxxx", "big.a|xxxx", "end|xxxx", "end|2"]
    assert len(read(other, 9)) == 9
    sub.unsubscribe(b"order.")
    sub.subscribe(b"order.1.us")  # another one, without a filter
    until(lambda: remote("return pub:stats().subscriptions") == 5, 5, "the change")
    remote("pub:send { 'order.1.eu', '' } pub:send { 'order.1.us', '' } pub:send 'end'")
    assert read(sub, 2) == ["order.1.us|", "end"]


def test_a_confirmation_survives_a_restart_of_the_publisher(bench):
    remote = Remote(bench)
    pub = bench.zmq("XPUB")
    pub.bind("tcp://127.0.0.1:*")
    at = pub.getsockopt_string(zmq.LAST_ENDPOINT)
    remote("told = {} "
           f"sub = sb.sub {{ connect = '{at}', reconnect_ivl = 0.05 }} "
           "sub:on_peer(function(e, _, info) if e == 'subscription_confirmed' then told[#told + 1] = info.detail end end) "
           "assert(sub:subscribe('a', { confirm = true, timeout = 5 }))")
    until(lambda: remote("return #told") == 1, 5, "the event")
    pub.close(0)
    until(lambda: remote("return sub:stats().peers") == 0, 5, "it is gone")
    again = bench.zmq("XPUB")
    until(lambda: try_bind(again, at), 5, "the port is free")
    until(lambda: remote("return #told") == 2, 10, "the event after the reconnect")


def small_subscriber(at, i):
    """A plain socket with room for little, subscribed to everything, and to a topic of its own that can be counted."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", int(at.rsplit(":", 1)[1])))
    sub = Raw(sock)
    sub.shake("SUB")
    sub.send(message(b"\1") + message(b"\1%d" % i))
    return sub


def read_everywhere(subs, wanted):
    """What each subscriber got, all read in turn until each has `wanted` octets."""
    got = {sub: bytearray() for sub in subs}
    with selectors.DefaultSelector() as selector:
        for sub in subs:
            selector.register(sub.sock, selectors.EVENT_READ, sub)
        while selector.get_map():
            ready = selector.select(20 * SLOW)
            assert ready, f"nothing comes any more, {len(selector.get_map())} subscribers wait"
            for key, _ in ready:
                got[key.data] += key.fileobj.recv(1 << 16)
                if len(got[key.data]) >= wanted:
                    selector.unregister(key.fileobj)
    return got.values()


def test_hundreds_of_slow_subscribers_get_everything_in_order(bench):
    """xpub_nodrop: all of them full, the publisher waits; each reads the same octets in the end."""
    remote = Remote(bench)
    at, source = remote(
        "to = sb.xpub { bind = 'tcp://127.0.0.1:*', sndhwm = 20, sndbuf = 4096, xpub_nodrop = true, backlog = 1000 } "
        "from = sb.xsub { bind = 'tcp://127.0.0.1:*', rcvhwm = 20, subscribe = '' } from:route { { to = to } } "
        "return to.last_endpoint, from.last_endpoint")
    subs = [small_subscriber(at, i) for i in range(400)]
    until(lambda: remote("return to:stats().subscriptions") == 1 + len(subs), 20, "all have subscribed")
    stream = b"".join(message(b"%06d" % i + b"." * 58) for i in range(2000))
    pub = Raw.connect(source)
    pub.sock.settimeout(60 * SLOW)
    pub.shake("PUB")
    writer = threading.Thread(target=pub.send, args=(stream,))
    writer.start()
    until(lambda: remote("return to:stats().msgs_out") > 0, 20, "they are being filled")
    assert all(got == stream for got in read_everywhere(subs, len(stream)))
    writer.join()
    for sub in subs:
        sub.sock.close()


def try_bind(sock, at):
    try:
        sock.bind(at)
        return True
    except zmq.ZMQError:
        return False


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
