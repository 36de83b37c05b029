#!/usr/bin/python3
"""A broker that is stopped and started again under load: what libzmq sent whole is delivered, what it did not send stays
with libzmq. Between the two is the message that libzmq had written half when it saw our end: it gives that one up, we
cannot deliver half of it, and the drain's report counts it."""
import os
import re
import sys
import threading

import zmq

from peer import HERE, SLOW, until
from runner import main, tests_of

MESSAGES = 200_000
RESTARTS = 3


class Flow:
    """Two threads, each with a socket of its own until stop()."""

    def __init__(self, push, pull):
        self.push, self.pull, self.taken = push, pull, []
        self.stopping = threading.Event()
        push.sndtimeo = pull.rcvtimeo = 200
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.send, self.take)]
        for t in self.threads:
            t.start()

    def send(self):
        n = 0
        while n < MESSAGES and not self.stopping.is_set():
            try:
                self.push.send(b"a%d" % n)
                n += 1
            except zmq.Again:
                pass

    def take(self):
        while len(self.taken) < MESSAGES and not self.stopping.is_set():
            try:
                self.taken.append(int(self.pull.recv()[1:]))
            except zmq.Again:
                pass

    def rest(self):
        """All was sent, and nothing more comes."""
        self.threads[0].join(60 * SLOW)
        assert not self.threads[0].is_alive(), f"{len(self.taken)} of {MESSAGES} messages came"
        count = -1
        while count != len(self.taken):
            count = len(self.taken)
            self.threads[1].join(5 * SLOW)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


def restart(bench, flow, ports):
    """Under load, RESTARTS times; returns how many messages were reported as come half."""
    broker = os.path.join(HERE, "broker.lua")
    script = bench.script(broker, patient=True, **ports)
    halves = 0
    for k in range(1, RESTARTS + 1):
        until(lambda: len(flow.taken) > k * MESSAGES // (RESTARTS + 2), 60, "messages flow")
        bench.scripts.remove(script)
        script.quit()
        report = re.search(r"drained, 0 messages unsent, (\d+) incomplete", script.text())
        assert report, script.text()
        halves += int(report[1])
        script = bench.script(broker, patient=True, **ports)
    return halves


def test_nothing_is_lost_when_the_broker_is_restarted_under_load(bench):
    ports = {name: bench.free_port() for name in ("from", "a", "b")}
    push, pull = bench.zmq("PUSH"), bench.zmq("PULL")
    push.connect(f"tcp://127.0.0.1:{ports['from']}")
    pull.connect(f"tcp://127.0.0.1:{ports['a']}")
    flow = Flow(push, pull)
    try:
        halves = restart(bench, flow, ports)
        flow.rest()
    finally:
        flow.stop()
    missing = MESSAGES - len(flow.taken)
    assert missing == halves, f"{missing} of {MESSAGES} messages are missing, {halves} were reported incomplete"
    assert halves <= RESTARTS, f"{halves} messages incomplete in {RESTARTS} restarts of one connection"
    assert len(set(flow.taken)) == len(flow.taken), "a message came twice"


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
