#!/usr/bin/python3
"""The example scripts that rebuild patterns of the ZeroMQ guide, with peers of libzmq on all sides."""
import os
import struct
import sys
import time

import zmq

from peer import HERE, SLOW, until
from runner import main, tests_of

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "examples")


def start(bench, name, *ports, **args):
    at = {port: f"tcp://127.0.0.1:{bench.free_port()}" for port in ports}
    bench.script(os.path.join(EXAMPLES, name), **at, **args)
    return at


def connect(bench, kind, at, **options):
    s = bench.zmq(kind, **options)
    s.connect(at)
    return s


# ---- last-value-cache.lua ----

def publish_until_heard(pub, sub):
    """A PUB does not say when it has a subscriber: send until something comes through."""
    sub.rcvtimeo = 20

    def heard():
        pub.send_multipart([b"probe", b""])
        try:
            return sub.recv()
        except zmq.Again:
            return None
    until(heard, 5, "the way through is open")
    sub.rcvtimeo = 5000


def test_last_value_cache(bench):
    at = start(bench, "last-value-cache.lua", "source", "feed")
    pub, early = connect(bench, "PUB", at["source"]), connect(bench, "SUB", at["feed"])
    early.subscribe(b"")
    publish_until_heard(pub, early)
    for i in range(50):
        pub.send_multipart([b"price.%d" % (i % 5), b"%d" % i, b"more"])
    until(lambda: early.recv_multipart()[1:] == [b"49", b"more"], 5, "all came through")
    late = connect(bench, "SUB", at["feed"])
    late.subscribe(b"price.")
    got = [late.recv_multipart() for _ in range(5)]
    assert got == [[b"price.%d" % i, b"%d" % (45 + i), b"more"] for i in range(5)], got
    pub.send_multipart([b"price.3", b"live"])
    assert late.recv_multipart() == [b"price.3", b"live"]
    assert not late.poll(50)


# ---- majordomo.lua ----

READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([i]) for i in range(1, 6))


class Worker:
    def __init__(self, bench, at, service):
        self.s = connect(bench, "DEALER", at)
        self.s.send_multipart([b"", b"MDPW01", READY, service])

    def command(self):
        """The next one that is no heartbeat."""
        while True:
            empty, header, command, *rest = self.s.recv_multipart()
            assert (empty, header) == (b"", b"MDPW01")
            if command != HEARTBEAT:
                return command, rest

    def request(self):
        command, (client, empty, *body) = self.command()
        assert command == REQUEST and empty == b""
        return client, body

    def living_request(self):
        """The next request, while it says that it lives."""
        end = time.monotonic() + 20 * SLOW
        while time.monotonic() < end:
            self.s.send_multipart([b"", b"MDPW01", HEARTBEAT])
            if not self.s.poll(20):
                continue
            empty, header, command, *rest = self.s.recv_multipart()
            if command == REQUEST:
                return rest[0], rest[2:]
            assert command == HEARTBEAT, command
        raise AssertionError("no request came")

    def reply(self, client, *body):
        self.s.send_multipart([b"", b"MDPW01", REPLY, client, b"", *body])


def ask(client, service, *body):
    client.send_multipart([b"MDPC01", service, *body])


def answer(client):
    header, service, *body = client.recv_multipart()
    assert header == b"MDPC01"
    return service, body


def test_majordomo_services(bench):
    at = start(bench, "majordomo.lua", "front")["front"]
    echo, upper = Worker(bench, at, b"echo"), Worker(bench, at, b"upper")
    client = connect(bench, "REQ", at)
    until(lambda: (ask(client, b"mmi.service", b"upper"), answer(client))[1] == (b"mmi.service", [b"200"]), 5, "it is known")
    ask(client, b"upper", b"a", b"", b"b")
    who, body = upper.request()
    assert body == [b"a", b"", b"b"]
    upper.reply(who, b"A", b"B")
    assert answer(client) == (b"upper", [b"A", b"B"])
    ask(client, b"echo", b"x")
    who, body = echo.request()
    echo.reply(who, *body)
    assert answer(client) == (b"echo", [b"x"])
    ask(client, b"mmi.service", b"nobody")
    assert answer(client) == (b"mmi.service", [b"404"])
    # asynchronous clients: several under way, each answer names its service
    dealer = connect(bench, "DEALER", at)
    for i in range(3):
        dealer.send_multipart([b"", b"MDPC01", b"echo", b"%d" % i])
    for i in range(3):
        who, body = echo.request()
        echo.reply(who, *body)
        assert dealer.recv_multipart() == [b"", b"MDPC01", b"echo", b"%d" % i]


def test_majordomo_workers_that_die_or_fall_silent(bench):
    at = start(bench, "majordomo.lua", "front", heartbeat=0.1)["front"]
    client = connect(bench, "REQ", at)
    ask(client, b"job", b"1")  # waits for a worker
    silent = Worker(bench, at, b"job")
    assert silent.request()[1] == [b"1"]  # and says nothing any more, not even that it lives
    second = Worker(bench, at, b"job")
    assert second.living_request()[1] == [b"1"]  # given on
    second.s.close(0)  # dies with the job
    third = Worker(bench, at, b"job")
    who, body = third.living_request()
    assert body == [b"1"]
    third.reply(who, b"done")
    assert answer(client) == (b"job", [b"done"])
    # the silent one comes back: the broker does not know it and says so
    silent.s.send_multipart([b"", b"MDPW01", HEARTBEAT])
    assert silent.command()[0] == DISCONNECT


# ---- clone.lua ----

def snapshot(dealer, subtree):
    dealer.send_multipart([b"ICANHAZ?", subtree])
    got = {}
    while True:
        key, number, _, _, value = dealer.recv_multipart()
        number = struct.unpack(">Q", number)[0]
        if key == b"KTHXBAI":
            assert value == subtree
            return got, number
        got[key] = (number, value)


def test_clone_state_and_updates(bench):
    at = start(bench, "clone.lua", "snapshot", "publisher", "collector")
    updates = connect(bench, "SUB", at["publisher"])
    updates.subscribe(b"")
    setter, dealer = connect(bench, "PUB", at["collector"]), connect(bench, "DEALER", at["snapshot"])
    assert updates.recv_multipart()[:2] == [b"HUGZ", b"\0" * 8]  # once a second: so the subscription is there

    def change(key, value, properties=b"", uuid=b"u" * 16):
        setter.send_multipart([key, b"\0" * 8, uuid, properties, value])

    def update():
        while True:
            f = updates.recv_multipart()
            if f[0] != b"HUGZ":
                return f

    until(lambda: change(b"/probe", b"x") or updates.poll(50), 5, "the collector hears us")
    while updates.poll(100):
        last = struct.unpack(">Q", updates.recv_multipart()[1])[0]
    change(b"/a/x", b"1")
    change(b"/a/y", b"2", b"color=red\n")
    change(b"/b/z", b"3")
    for i, (key, value) in enumerate(((b"/a/x", b"1"), (b"/a/y", b"2"), (b"/b/z", b"3"))):
        f = update()
        assert (f[0], f[2], f[4]) == (key, b"u" * 16, value)
        assert struct.unpack(">Q", f[1])[0] == last + 1 + i
    got, number = snapshot(dealer, b"/a/")
    assert got == {b"/a/x": (last + 1, b"1"), b"/a/y": (last + 2, b"2")} and number == last + 3
    change(b"/a/x", b"")
    assert update()[4] == b""
    change(b"/t", b"brief", b"ttl=0.2\n")
    assert update()[4] == b"brief"
    begun = time.monotonic()
    f = update()
    assert (f[0], f[4]) == (b"/t", b"") and time.monotonic() - begun > 0.1
    got, _ = snapshot(dealer, b"")
    assert set(got) == {b"/probe", b"/a/y", b"/b/z"}


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
