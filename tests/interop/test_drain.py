#!/usr/bin/python3
"""The end of a broker with requests under way: who has asked gets the answer, who asks next asks our successor."""
import os
import re
import sys
import threading
import time

import zmq

from peer import HERE, SLOW, until
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
    return bench.script(os.path.join(HERE, "jobs.lua"), **ports)


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
    assert time.monotonic() - began < 2.5 * SLOW, script.text()


def test_one_way_messages_to_a_router_are_taken_to_the_last(bench):
    """Where no answer ever came back, the peer is told to stop before reading ends: as with a PULL."""
    ports = {name: bench.free_port() for name in ("front", "out")}
    script = bench.script(os.path.join(HERE, "oneway.lua"), **ports)
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


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
