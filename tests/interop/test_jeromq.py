#!/usr/bin/python3
"""JeroMQ, an engine of its own in another language (Debian's 0.3.6 speaks ZMTP 2.0): every type, both directions."""
import sys

from cells import CORE as PAIRS
from peer import until
from runner import main, tests_of
from test_matrix import equal, exchange, time_for_theirs

BODIES = [[b"hello"], [b""], [b"a", b"", b"c"], [b"x" * 255], [b"y" * 256], [b"z" * 300000]]


def subscribe(ours, theirs, a, b):
    if theirs == "SUB":
        b.subscribe(b"")
    elif theirs == "XSUB":
        b.send(b"\1")
    elif ours == "SUB":
        a.subscribe(b"")
    elif ours == "XSUB":
        a.send(b"\1")
    if ours in ("PUB", "XPUB"):
        until(lambda: b.poke() and a.stats()["subscriptions"] == 1, 20, "the subscription arrived")
        if ours == "XPUB":
            equal(a.recv(), [b"\1"], "subscription")
    elif theirs == "XPUB":
        equal(b.recv(), [b"\1"], "subscription")
    else:
        def there():
            b.send(b"probe")
            try:
                return a.recv(50) == [b"probe"]
            except AssertionError:
                return False
        until(there, 20, "the subscription arrived")
        b.send(b"end")
        until(lambda: a.recv() == [b"end"], 20, "the last probe")


def run_pair(bench, ours, theirs, we_bind):
    both = ours == theirs == "ROUTER"  # who can address each other once they have said their names
    a = bench.peer().socket(ours, **({"routing_id": "ours"} if both else {}))
    b = bench.java().socket(theirs, b"theirs" if both else b"")
    if we_bind:
        b.connect(a.bind("tcp://127.0.0.1:*"))
    else:
        a.connect(b.bind())
    if ours in ("PUB", "XPUB", "SUB", "XSUB"):
        subscribe(ours, theirs, a, b)
    if both:
        until(lambda: len(a.peers()) == 1 and a.peers()[0].endswith(b"theirs".hex()), 20, "the handshake")
        time_for_theirs(a, b)
    for body in BODIES:
        exchange(ours, theirs, a, b, body)


def run_all(bench, we_bind):
    for ours, theirs in PAIRS:
        try:
            run_pair(bench, ours, theirs, we_bind)
        except Exception as e:
            raise AssertionError(f"our {ours}, their {theirs}: {e}") from e


def test_all_types_where_we_bind(bench):
    run_all(bench, True)


def test_all_types_where_we_connect(bench):
    run_all(bench, False)


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
