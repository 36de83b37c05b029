#!/usr/bin/python3
"""What the socket types promise beyond carrying bytes: subscriptions, routing ids, turns, heartbeats, wrong peers."""
import os
import signal
import subprocess
import sys
import time

import zmq

from peer import Failed, SLOW, until
from runner import main, tests_of
from zmtp import COMMAND, Listener, Raw, command, frame, greeting, message, ready


def fails(call, code):
    try:
        call()
    except Failed as e:
        assert code in str(e), e
        return
    raise Failed(f"no {code}")


# ---- subscriptions ----

def test_xpub_hears_each_new_topic_and_its_end_once(bench):
    a = bench.peer().socket("XPUB")
    endpoint = a.bind("tcp://127.0.0.1:*")
    one, two = bench.zmq("SUB"), bench.zmq("SUB")
    one.connect(endpoint)
    one.subscribe(b"news.")
    assert a.recv() == [b"\1news."]
    two.connect(endpoint)
    two.subscribe(b"news.")
    until(lambda: a.stats()["peers"] == 2, 5, "the second subscriber")
    fails(lambda: a.recv(200), "EAGAIN")
    one.unsubscribe(b"news.")
    fails(lambda: a.recv(200), "EAGAIN")
    two.unsubscribe(b"news.")
    assert a.recv() == [b"\0news."]


def test_verbose_xpub_hears_every_subscription(bench):
    a = bench.peer().socket("XPUB", xpub_verbose=1)
    endpoint = a.bind("tcp://127.0.0.1:*")
    for _ in range(2):
        s = bench.zmq("SUB")
        s.connect(endpoint)
        s.subscribe(b"x")
        assert a.recv() == [b"\1x"]


def test_xpub_cancels_for_a_subscriber_that_left(bench):
    a = bench.peer().socket("XPUB")
    s = bench.zmq("SUB")
    s.connect(a.bind("tcp://127.0.0.1:*"))
    s.subscribe(b"x")
    assert a.recv() == [b"\1x"]
    s.close(0)
    assert a.recv() == [b"\0x"]


def test_publisher_sends_only_what_was_asked_for(bench):
    a = bench.peer().socket("XPUB")
    s = bench.zmq("SUB")
    s.connect(a.bind("tcp://127.0.0.1:*"))
    s.subscribe(b"a.")
    s.subscribe(b"a.b")
    a.recv(), a.recv()
    for topic in (b"b.x", b"a", b"a.x", b"a.b.c", b"A.x"):
        a.send(topic, b"body")
    a.send(b"a.end")
    assert [s.recv_multipart()[0] for _ in range(3)] == [b"a.x", b"a.b.c", b"a.end"]


def test_subscriptions_are_commands_to_31_and_messages_to_30(bench):
    a = bench.peer().socket("SUB")
    a.subscribe(b"T")
    for minor, expected in ((1, (COMMAND, b"\x09SUBSCRIBET")), (0, (0, b"\1T"))):
        door = Listener()
        a.connect(door.endpoint)
        raw = door.accept()
        raw.shake("PUB", minor=minor)
        assert raw.frame() == expected, minor
        raw.send(message(b"T", b"x"))
        assert a.recv() == [b"T", b"x"]
        a.disconnect(door.endpoint)
        raw.close()
        door.close()


def test_both_forms_of_subscription_are_understood(bench):
    a = bench.peer().socket("XPUB")
    endpoint = a.bind("tcp://127.0.0.1:*")
    for minor, sub, cancel in ((1, command(b"SUBSCRIBE", b"T"), command(b"CANCEL", b"T")),
                               (0, message(b"\1T"), message(b"\0T"))):
        raw = Raw.connect(endpoint)
        raw.shake("SUB", minor=minor)
        raw.send(sub)
        assert a.recv() == [b"\1T"]
        a.send(b"Tx")
        assert raw.message() == [b"Tx"]
        raw.send(cancel)
        assert a.recv() == [b"\0T"]
        raw.close()


def test_xsub_passes_subscriptions_and_messages_up(bench):
    a = bench.peer().socket("XSUB")
    b = bench.zmq("XPUB")
    b.bind("tcp://127.0.0.1:*")
    a.connect(b.getsockopt_string(zmq.LAST_ENDPOINT))
    a.send(b"\1t")
    assert b.recv() == b"\1t"
    a.send(b"\0t")
    assert b.recv() == b"\0t"
    a.send(b"hello up there")
    assert b.recv() == b"hello up there"


def test_twenty_thousand_subscriptions_arrive(bench):
    a = bench.peer().socket("XPUB", rcvhwm=0)
    s = bench.zmq("SUB", sndhwm=0)
    s.connect(a.bind("tcp://127.0.0.1:*"))
    for i in range(20_000):
        s.subscribe(b"topic.%d." % i)
    until(lambda: a.stats()["subscriptions"] == 20_000, 20, "all are there")
    a.send(b"topic.777.x")
    assert s.recv() == b"topic.777.x"


def test_conflate_keeps_the_last(bench):
    a = bench.peer().socket("PULL", conflate=1)
    b = bench.zmq("PUSH")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    for i in range(100):
        b.send(b"%d" % i)
    until(lambda: a.stats()["msgs_in"] == 100, 5, "all arrived")
    assert a.recv() == [b"99"]
    fails(lambda: a.recv(100), "EAGAIN")


# ---- routing ids ----

def test_router_names_peers_by_their_identity(bench):
    a = bench.peer().socket("ROUTER")
    endpoint = a.bind("tcp://127.0.0.1:*")
    names = [b"alpha", b"beta", b"\x01" * 255]
    dealers = {}
    for n in names:
        dealers[n] = bench.zmq("DEALER", routing_id=n)
        dealers[n].connect(endpoint)
        dealers[n].send(b"hi")
    seen = {a.recv()[0] for _ in names}
    assert seen == set(names)
    for n in names:
        a.send(n, b"for", n)
        assert dealers[n].recv_multipart() == [b"for", n]


def test_router_makes_ids_that_begin_with_zero(bench):
    a = bench.peer().socket("ROUTER")
    b = bench.zmq("DEALER")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    b.send(b"hi")
    got = a.recv()
    assert len(got[0]) == 5 and got[0][0] == 0, got


def test_router_refuses_unknown_ids_when_mandatory(bench):
    peer = bench.peer()
    strict = peer.socket("ROUTER", "strict", router_mandatory=1)
    fails(lambda: strict.send(b"nobody", b"x"), "EHOSTUNREACH")
    lax = peer.socket("ROUTER", "lax")
    lax.send(b"nobody", b"x")
    assert lax.stats()["dropped_no_peer"] == 1


def test_a_second_peer_of_the_same_name_is_refused(bench):
    a = bench.peer().socket("ROUTER")
    endpoint = a.bind("tcp://127.0.0.1:*")
    first, second = bench.zmq("DEALER", routing_id=b"same"), bench.zmq("DEALER", routing_id=b"same")
    first.connect(endpoint)
    first.send(b"1")
    assert a.recv() == [b"same", b"1"]
    second.connect(endpoint)
    second.send(b"2")
    fails(lambda: a.recv(300), "EAGAIN")
    a.send(b"same", b"for the first")
    assert first.recv() == b"for the first"


def test_handover_gives_the_name_to_the_newcomer(bench):
    a = bench.peer().socket("ROUTER", router_handover=1)
    endpoint = a.bind("tcp://127.0.0.1:*")
    first, second = bench.zmq("DEALER", routing_id=b"same"), bench.zmq("DEALER", routing_id=b"same")
    first.connect(endpoint)
    first.send(b"1")
    assert a.recv() == [b"same", b"1"]
    second.connect(endpoint)
    second.send(b"2")
    assert a.recv() == [b"same", b"2"]
    a.send(b"same", b"for the second")
    assert second.recv() == b"for the second"


def test_probe_router_announces_a_dealer(bench):
    a = bench.peer().socket("DEALER", probe_router=1, routing_id="me")
    b = bench.zmq("ROUTER")
    b.bind("tcp://127.0.0.1:*")
    a.connect(b.getsockopt_string(zmq.LAST_ENDPOINT))
    assert b.recv_multipart() == [b"me", b""]


# ---- turns ----

def test_req_and_rep_keep_their_turns(bench):
    peer = bench.peer()
    req, rep = peer.socket("REQ"), peer.socket("REP")
    other = bench.zmq("REP")
    other.bind("tcp://127.0.0.1:*")
    req.connect(other.getsockopt_string(zmq.LAST_ENDPOINT))
    fails(lambda: rep.send(b"unasked", ms=0), "EFSM")
    req.send(b"one")
    fails(lambda: req.send(b"two", ms=0), "EFSM")
    other.send(other.recv() + b" answered")
    assert req.recv() == [b"one answered"]


def test_rep_answers_through_two_libzmq_brokers(bench):
    """REQ - ROUTER/DEALER - ROUTER/DEALER - REP: the whole envelope comes back."""
    a = bench.peer().socket("REP")
    back = bench.zmq("DEALER")
    back.connect(a.bind("tcp://127.0.0.1:*"))
    for envelope in ([b"one", b""], [b"one", b"two", b""], [b"", ]):
        back.send_multipart(envelope + [b"ask", b""])
        assert a.recv() == [b"ask", b""]
        a.send(b"answer")
        assert back.recv_multipart() == envelope + [b"answer"]


def test_rep_drops_a_request_without_delimiter_and_lives(bench):
    a = bench.peer().socket("REP")
    b = bench.zmq("DEALER")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    b.send(b"no delimiter")
    b.send_multipart([b"", b"right"])
    assert a.recv() == [b"right"]


def test_rep_serves_the_next_when_the_asker_died(bench):
    a = bench.peer().socket("REP")
    endpoint = a.bind("tcp://127.0.0.1:*")
    first = bench.zmq("REQ")
    first.connect(endpoint)
    first.send(b"and gone")
    assert a.recv() == [b"and gone"]
    first.close(0)
    until(lambda: a.stats()["peers"] == 0, 5, "it is gone")
    a.send(b"to nobody")
    second = bench.zmq("REQ")
    second.connect(endpoint)
    second.send(b"again")
    assert a.recv() == [b"again"]
    a.send(b"yes")
    assert second.recv() == b"yes"


def test_relaxed_req_asks_again_and_takes_only_the_right_answer(bench):
    a = bench.peer().socket("REQ", req_relaxed=1, req_correlate=1)
    b = bench.zmq("ROUTER")
    b.bind("tcp://127.0.0.1:*")
    a.connect(b.getsockopt_string(zmq.LAST_ENDPOINT))
    a.send(b"one")
    old = b.recv_multipart()
    a.send(b"two")
    new = b.recv_multipart()
    assert new[1] != old[1], "the request id changes"
    b.send_multipart(old[:-1] + [b"late"])
    b.send_multipart(new[:-1] + [b"right"])
    assert a.recv() == [b"right"]


# ---- heartbeats ----

def test_libzmq_heartbeats_are_answered(bench):
    a = bench.peer().socket("PULL")
    b = bench.zmq("PUSH", heartbeat_ivl=50, heartbeat_timeout=400 * SLOW)
    b.connect(a.bind("tcp://127.0.0.1:*"))
    b.send(b"x")
    assert a.recv() == [b"x"]
    time.sleep(1.5)
    events = a.events()
    assert "disconnected" not in events, events
    b.send(b"still here")
    assert a.recv() == [b"still here"]


def test_our_heartbeats_keep_a_living_libzmq_peer(bench):
    a = bench.peer().socket("PUSH", heartbeat_ivl=50, heartbeat_timeout=400 * SLOW)
    b = bench.zmq("PULL")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    a.send(b"x")
    assert b.recv() == b"x"
    time.sleep(1.5)
    assert "disconnected" not in a.events()
    a.send(b"still here")
    assert b.recv() == b"still here"


def test_our_heartbeats_find_a_stopped_peer(bench):
    a = bench.peer().socket("PUSH", heartbeat_ivl=100, heartbeat_timeout=300)
    endpoint = a.bind("tcp://127.0.0.1:*")
    child = subprocess.Popen([sys.executable, "-c", f"""
import zmq, time
s = zmq.Context().socket(zmq.PULL); s.connect("{endpoint}"); time.sleep(100)"""])
    try:
        until(lambda: a.stats()["peers"] == 1, 10, "the child is there")
        os.kill(child.pid, signal.SIGSTOP)
        began = time.monotonic()
        until(lambda: a.stats()["peers"] == 0, 5, "the silence is noticed")
        assert time.monotonic() - began > 0.2, "noticed before it could be known"
    finally:
        child.kill()
        child.wait()


def test_ping_is_answered_with_its_own_context(bench):
    a = bench.peer().socket("PULL")
    raw = Raw.connect(a.bind("tcp://127.0.0.1:*"))
    raw.shake("PUSH")
    raw.send(command(b"PING", b"\0\x0a" + b"context"))
    assert raw.frame() == (COMMAND, b"\x04PONG" + b"context")
    raw.close()


# ---- wrong peers: each has a good one beside it ----

def with_good_client(bench, bad):
    a = bench.peer().socket("PULL")
    endpoint = a.bind("tcp://127.0.0.1:*")
    good = bench.zmq("PUSH")
    good.connect(endpoint)
    good.send(b"before")
    assert a.recv() == [b"before"]
    raw = Raw.connect(endpoint)
    bad(raw)
    assert raw.closed(), "the bad connection is still open"
    raw.close()
    good.send(b"after")
    assert a.recv() == [b"after"]
    return a


def test_http_is_shown_the_door(bench):
    with_good_client(bench, lambda raw: raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 100))


def test_a_wrong_socket_type_is_refused(bench):
    def bad(raw):
        raw.send(greeting() + ready("SUB"))
    a = with_good_client(bench, bad)
    assert a.stats()["handshake_failures"] == 1


def test_a_wrong_mechanism_is_refused(bench):
    a = with_good_client(bench, lambda raw: raw.send(greeting(mechanism=b"PLAIN") + command(b"HELLO", b"\1a\1b")))
    assert a.stats()["handshake_failures"] == 1


def test_a_huge_announced_frame_is_refused_when_there_is_a_limit(bench):
    a = bench.peer().socket("PULL", maxmsgsize=1000)
    endpoint = a.bind("tcp://127.0.0.1:*")
    raw = Raw.connect(endpoint)
    raw.shake("PUSH")
    raw.send(b"\2" + (1 << 40).to_bytes(8, "big"))
    assert raw.closed()
    raw = Raw.connect(endpoint)
    raw.shake("PUSH")
    raw.send(frame(b"x" * 1000))
    assert a.recv() == [b"x" * 1000]
    raw.close()


def test_libzmq_of_the_wrong_type_does_no_harm(bench):
    a = bench.peer().socket("PULL")
    endpoint = a.bind("tcp://127.0.0.1:*")
    wrong = bench.zmq("SUB")
    wrong.subscribe(b"")
    wrong.connect(endpoint)
    good = bench.zmq("PUSH")
    good.connect(endpoint)
    until(lambda: a.stats()["handshake_failures"] > 0, 5, "the failure is counted")
    good.send(b"x")
    assert a.recv() == [b"x"]


def test_a_handshake_in_single_octets_succeeds(bench):
    a = bench.peer().socket("PULL")
    raw = Raw.connect(a.bind("tcp://127.0.0.1:*"))
    for octet in greeting() + ready("PUSH") + message(b"slow", b"but", b"right"):
        raw.send(bytes([octet]))
        time.sleep(0.001)
    assert a.recv() == [b"slow", b"but", b"right"]
    raw.close()


def test_events_tell_the_story_of_a_connection(bench):
    a = bench.peer().socket("PULL")
    endpoint = a.bind("tcp://127.0.0.1:*")
    b = bench.zmq("PUSH")
    b.connect(endpoint)
    b.send(b"x")
    a.recv()
    b.close()
    until(lambda: a.stats()["peers"] == 0, 5, "it is gone")
    events = a.events()
    for name in ("listening", "accepted", "handshake_succeeded", "disconnected"):
        assert name in events, (name, events)
    assert events.index("accepted") < events.index("handshake_succeeded") < events.index("disconnected")


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
