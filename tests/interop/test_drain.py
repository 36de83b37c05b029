#!/usr/bin/python3
"""The end of a broker with requests under way: who has asked gets the answer, who asks next asks our successor."""
import os
import re
import sys
import threading
import time

import zmq

from peer import HERE, PATIENCE, SLOW, until
from runner import main, tests_of

CLIENTS = 8


def serve(sock, served, stop):
    sock.rcvtimeo = 100
    while not stop.is_set():
        try:
            body = sock.recv_multipart()
        except zmq.Again:
            continue
        time.sleep(0.2)
        served.append(body[-1])
        sock.send_multipart(body)


def start(bench, ports):
    return bench.script(os.path.join(HERE, "jobs.lua"), patient=True, **ports)


def ask(bench, port, number):
    client = bench.zmq("REQ")
    client.connect(f"tcp://127.0.0.1:{port}")
    client.send(b"%d" % number)
    return client


def test_requests_under_way_get_their_answers(bench):
    ports = {name: bench.free_port() for name in ("front", "back")}
    script = start(bench, ports)
    served, stop, threads = [], threading.Event(), []
    for _ in range(CLIENTS):
        worker = bench.zmq("REP")
        worker.connect(f"tcp://127.0.0.1:{ports['back']}")
        threads.append(threading.Thread(target=serve, args=(worker, served, stop), daemon=True))
        threads[-1].start()
    first = [ask(bench, ports["front"], n) for n in range(CLIENTS)]
    assert sorted(c.recv() for c in first) == sorted(b"%d" % n for n in range(CLIENTS))
    for n, client in enumerate(first):
        client.send(b"again %d" % n)
    time.sleep(0.1 * SLOW)  # with the workers, which take 0.2 s
    bench.scripts.remove(script)
    script.quit()
    assert re.search("drained, 0 messages unsent, 0 incomplete", script.text()), script.text()
    for n, client in enumerate(first):
        assert client.recv() == b"again %d" % n
    # The peers that have their answers connect again by themselves, and what they ask now is not lost.
    for n, client in enumerate(first):
        client.send(b"third %d" % n)
    script = start(bench, ports)
    for n, client in enumerate(first):
        assert client.recv() == b"third %d" % n
    stop.set()
    for t in threads:
        t.join()


def test_a_peer_without_questions_does_not_hold_the_end_up(bench):
    ports = {name: bench.free_port() for name in ("front", "back")}
    script = start(bench, ports)
    client = bench.zmq("DEALER")
    client.connect(f"tcp://127.0.0.1:{ports['front']}")
    client.send_multipart([b"", b"PING"])
    assert client.recv_multipart() == [b"", b"PONG"]
    client.send_multipart([b"", b"DROP"])  # nobody will answer this one
    client.send_multipart([b"", b"PING"])
    assert client.recv_multipart() == [b"", b"PONG"]
    began = time.monotonic()
    bench.scripts.remove(script)
    script.quit()
    assert time.monotonic() - began < PATIENCE / 2, script.text()


def test_one_way_messages_to_a_router_are_taken_to_the_last(bench):
    """Where no answer ever came back, the peer is told to stop before reading ends: as with a PULL."""
    ports = {name: bench.free_port() for name in ("front", "out")}
    script = bench.script(os.path.join(HERE, "oneway.lua"), patient=True, **ports)
    source, sink = bench.zmq("DEALER", sndhwm=0), bench.zmq("PULL", rcvhwm=0)
    source.connect(f"tcp://127.0.0.1:{ports['front']}")
    sink.connect(f"tcp://127.0.0.1:{ports['out']}")
    total, got, halves = 100_000, [], 0

    def send():
        for n in range(total):
            source.send(b"%d" % n)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()

    def take(until_n):
        while len(got) < until_n:
            got.append(int(sink.recv()))
    take(1000)
    bench.scripts.remove(script)
    script.quit()
    report = re.search(r"drained, 0 messages unsent, (\d+) incomplete", script.text())
    assert report, script.text()
    halves = int(report[1])
    bench.script(os.path.join(HERE, "oneway.lua"), **ports)
    take(total - halves)
    thread.join(30 * SLOW)
    assert len(set(got)) == total - halves
    until(lambda: sink.poll(100) == 0, 1, "no more")


def chain(bench, kind, transport):
    """Runs chain.lua, whose hops are connected when this returns: the script, its input and its output."""
    hops = {f"hop{n}": f"ipc://{bench.path(f'{kind}{n}')}" if transport == "ipc"
            else f"tcp://127.0.0.1:{bench.free_port()}" for n in (1, 2)}
    ports = {name: bench.free_port() for name in ("go", "out")}
    script = bench.script(os.path.join(HERE, "chain.lua"), patient=True, kind=kind, **ports, **hops)
    go, sink = bench.zmq("PUSH"), bench.zmq("PULL", rcvhwm=0)
    go.connect(f"tcp://127.0.0.1:{ports['go']}")
    sink.connect(f"tcp://127.0.0.1:{ports['out']}")
    if kind == "pub":
        time.sleep(0.3 * SLOW)  # the subscriptions
    go.send(b"20")  # so many that a ROUTER counts as one that never answers
    assert len({sink.recv() for n in range(21)}) == 21
    return script, go, sink


def ends_soon_and_whole(bench, kind, transport, pieces=40):
    script, go, sink = chain(bench, kind, transport)
    for _ in range(pieces):
        go.send(b"50")
    got = []
    while got.count(b"sent") < pieces:
        got.append(sink.recv())  # from here on all that is still missing is under way
    missing = 51 * pieces - len(got)
    bench.scripts.remove(script)
    began = time.monotonic()
    script.quit()
    took = time.monotonic() - began
    assert re.search("drained, 0 messages unsent, 0 incomplete", script.text()), script.text()
    while len(got) < 51 * pieces:
        got.append(sink.recv())
    assert {text.split(b" ")[0] for text in got} == {b"%d" % n for n in range(21, 50 * pieces + 21)} | {b"sent"}
    print(f"    {kind} over {transport}: ended after {took * 1000:.0f} ms, with {missing} under way")
    assert took < PATIENCE / 2, took


def test_a_chain_inside_one_script_ends_soon_and_loses_nothing(bench):
    """Each hop's both ends are ours and would wait for each other: neither may end while the hop before it moves."""
    for kind in ("push", "pub", "dealer", "pair"):
        for transport in ("tcp", "ipc"):
            ends_soon_and_whole(bench, kind, transport)


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
