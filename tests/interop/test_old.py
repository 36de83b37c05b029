#!/usr/bin/python3
"""Peers of old versions, byte by byte: ZMTP 2.0 beside 3.x on the same port, 1.0 where it is allowed."""
import struct
import sys

from peer import until
from runner import main, tests_of
from test_matrix import equal
from zmtp import Listener, Raw, message

TYPES = {"PUB": 1, "SUB": 2, "REQ": 3, "REP": 4, "DEALER": 5, "ROUTER": 6, "PULL": 7, "PUSH": 8}
BIG = b"b" * 70000


def hello_2(raw, kind, identity=b""):
    """RFC 15; returns type and identity of the other side."""
    raw.send(b"\xff" + b"\0" * 7 + b"\1\x7f")
    signature = raw.read(10)
    assert signature[0] == 0xff and signature[9] & 1, signature
    assert raw.read(1)[0] >= 3
    raw.send(bytes([1, TYPES[kind], 0, len(identity)]) + identity)
    theirs, flags, length = raw.read(3)
    assert flags == 0
    return theirs, raw.read(length)


def frame_1(body, more=False):
    head = bytes([len(body) + 1]) if len(body) < 254 else b"\xff" + struct.pack(">Q", len(body) + 1)
    return head + bytes([more]) + body


def message_1(*frames):
    return b"".join(frame_1(f, i < len(frames) - 1) for i, f in enumerate(frames))


def read_1(raw):
    frames = []
    while True:
        length = raw.read(1)[0]
        if length == 0xff:
            length = struct.unpack(">Q", raw.read(8))[0]
        flags = raw.read(1)[0]
        frames.append(raw.read(length - 1))
        if not flags & 1:
            return frames


def hello_1(raw, identity=b""):
    """RFC 13; returns the identity of the other side, whose head is a signature of later versions."""
    raw.send(frame_1(identity))
    head = raw.read(10)
    assert head[0] == 0xff, head
    return raw.read(struct.unpack(">Q", head[1:9])[0] - 1)


def test_a_2_0_dealer_and_a_3_1_dealer_share_a_router(bench):
    router = bench.peer().socket("ROUTER", routing_id="router")
    endpoint = router.bind("tcp://127.0.0.1:*")
    old, new = Raw.connect(endpoint), bench.zmq("DEALER", routing_id=b"new")
    new.connect(endpoint)
    equal(hello_2(old, "DEALER", b"old"), (TYPES["ROUTER"], b"router"), "greeting")
    for body in ([b"hello"], [b"", b"two"], [BIG]):
        old.send(message(*body))
        equal(router.recv(), [b"old"] + body, "from 2.0")
        new.send_multipart(body)
        equal(router.recv(), [b"new"] + body, "from 3.1")
        router.send(b"old", *body)
        equal(old.message(), body, "to 2.0")
        router.send(b"new", *body)
        equal(new.recv_multipart(), body, "to 3.1")
    old.close()


def test_we_connect_to_a_2_0_peer(bench):
    listener = Listener()
    push = bench.peer().socket("PUSH")
    push.connect(listener.endpoint)
    push.send(b"first", b"")
    raw = listener.accept()
    hello_2(raw, "PULL")
    equal(raw.message(), [b"first", b""], "queued before the connection")
    raw.close()
    listener.close()


def test_a_2_0_subscriber_subscribes(bench):
    pub = bench.peer().socket("PUB")
    raw = Raw.connect(pub.bind("tcp://127.0.0.1:*"))
    hello_2(raw, "SUB")
    raw.send(message(b"\1news."))
    until(lambda: pub.stats()["subscriptions"] == 1, 5, "the subscription arrived")
    pub.send(b"other", b"1")
    pub.send(b"news.1", b"2")
    equal(raw.message(), [b"news.1", b"2"], "what it asked for")
    raw.close()


def test_1_0_is_refused_unless_it_is_wanted(bench):
    pull = bench.peer().socket("PULL")
    raw = Raw.connect(pull.bind("tcp://127.0.0.1:*"))
    raw.send(frame_1(b"") + message_1(b"in?"))
    assert raw.closed()
    raw.close()


def test_a_1_0_peer_talks_where_it_is_wanted(bench):
    router = bench.peer().socket("ROUTER", zmtp_min=1, routing_id="router")
    endpoint = router.bind("tcp://127.0.0.1:*")
    old, new = Raw.connect(endpoint), bench.zmq("DEALER", routing_id=b"new")
    new.connect(endpoint)
    equal(hello_1(old, b"old"), b"router", "identity")
    for body in ([b"hello"], [b"", b"two"], [b"x" * 253], [b"y" * 254], [BIG, b""]):
        old.send(message_1(*body))
        equal(router.recv(), [b"old"] + body, "from 1.0")
        router.send(b"old", *body)
        equal(read_1(old), body, "to 1.0")
        new.send_multipart(body)
        equal(router.recv(), [b"new"] + body, "from 3.1")
    old.close()


def test_a_1_0_subscriber_gets_all(bench):
    pub = bench.peer().socket("PUB", zmtp_min=1)
    raw = Raw.connect(pub.bind("tcp://127.0.0.1:*"))
    hello_1(raw)
    until(lambda: pub.stats()["subscriptions"] == 1, 5, "it counts as a subscription")
    for topic in (b"a", b"b"):
        pub.send(topic, b"1")
        equal(read_1(raw), [topic, b"1"], "everything")
    raw.close()


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
