#!/usr/bin/python3
"""Balance over libzmq's workers: by load, by weight, by key."""
import sys
import threading
import time

import zmq

from peer import until
from remote import Remote
from runner import main, tests_of


def workers(bench, remote, kind, n, at):
    socks = []
    for i in range(n):
        s = bench.zmq(kind)
        s.connect(at)
        socks.append(s)
        until(lambda: remote("return sock:stats().peers") == i + 1, 5, "a worker came")
    return socks


def test_least_queued_spares_a_slow_worker(bench):
    remote = Remote(bench)
    at = remote("sock = sb.dealer { bind = 'tcp://127.0.0.1:*', balance = 'least_queued' } return sock.last_endpoint")
    slow, quick = workers(bench, remote, "REP", 2, at)
    counts = {}

    def work(name, rep, seconds):
        rep.rcvtimeo = 1000
        counts[name] = 0
        try:
            while True:
                rep.recv()
                time.sleep(seconds)
                rep.send(b"done")
                counts[name] += 1
        except zmq.Again:
            pass
    threads = [threading.Thread(target=work, args=a) for a in (("slow", slow, 0.2), ("quick", quick, 0))]
    for t in threads:
        t.start()
    remote("left, done = 100, 0 for lane = 1, 2 do sb.spawn(function() while left > 0 do left = left - 1 "
           "assert(sock:request('job', 5)) done = done + 1 end end) end")
    until(lambda: remote("return done") == 100, 10, "all is answered")
    for t in threads:
        t.join()
    assert counts["slow"] + counts["quick"] == 100 and counts["slow"] <= 20, counts


def test_weights_by_endpoint(bench):
    remote = Remote(bench)
    pulls = [bench.zmq("PULL") for _ in range(2)]
    at = []
    for p in pulls:
        p.bind("tcp://127.0.0.1:*")
        at.append(p.getsockopt_string(zmq.LAST_ENDPOINT))
    remote(f"sock = sb.push {{ connect = {{ '{at[0]}', '{at[1]}' }}, weights = {{ 4, 1 }}, balance = 'weighted' }} "
           "for i = 1, 500 do sock:send 'x' end")
    for pull, n in zip(pulls, (400, 100)):
        for _ in range(n):
            pull.recv()
        assert not pull.poll(100)


def test_a_key_goes_to_one_worker(bench):
    remote = Remote(bench)
    at = remote("sock = sb.push { bind = 'tcp://127.0.0.1:*', balance = 'sticky' } return sock.last_endpoint")
    pulls = workers(bench, remote, "PULL", 3, at)
    remote("for i = 1, 600 do sock:send { 'key' .. i % 30, tostring(i) } end")
    owner, seen, last = {}, 0, {}
    for w, pull in enumerate(pulls):
        while pull.poll(300):
            key, i = pull.recv_multipart()
            assert owner.setdefault(key, w) == w, key
            assert last.get(key, 0) < int(i)
            last[key] = int(i)
            seen += 1
    assert seen == 600 and len(set(owner.values())) == 3


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
