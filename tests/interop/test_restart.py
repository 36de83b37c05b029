#!/usr/bin/python3
"""A broker that is stopped and started again under load: what libzmq sent whole is delivered, what it did not send stays
with libzmq. Between the two is the message that libzmq had written half when it saw our end: it gives that one up, we
cannot deliver half of it, and the drain's report counts it."""
import os
import re
import sys
import threading
import time

import zmq

from peer import HERE, SLOW, until
from runner import main, tests_of

MESSAGES = 200_000
RESTARTS = 3


def send_all(sock):
    for i in range(MESSAGES):
        sock.send(b"a%d" % i)


def take_all(sock, taken):
    sock.rcvtimeo = 500
    quiet_since = time.monotonic()
    while len(taken) < MESSAGES and time.monotonic() - quiet_since < 5 * SLOW:
        try:
            taken.append(int(sock.recv()[1:]))
            quiet_since = time.monotonic()
        except zmq.Again:
            pass


def test_nothing_is_lost_when_the_broker_is_restarted_under_load(bench):
    ports = {name: bench.free_port() for name in ("from", "a", "b")}
    broker = os.path.join(HERE, "broker.lua")
    script = bench.script(broker, **ports)
    push, pull = bench.zmq("PUSH"), bench.zmq("PULL")
    push.sndtimeo = -1
    push.connect(f"tcp://127.0.0.1:{ports['from']}")
    pull.connect(f"tcp://127.0.0.1:{ports['a']}")
    taken = []
    threads = [threading.Thread(target=send_all, args=(push,), daemon=True),
               threading.Thread(target=take_all, args=(pull, taken), daemon=True)]
    for t in threads:
        t.start()
    halves = 0
    for k in range(1, RESTARTS + 1):
        until(lambda: len(taken) > k * MESSAGES // (RESTARTS + 2), 60, "messages flow")
        bench.scripts.remove(script)
        script.quit()
        report = re.search(r"drained, 0 messages unsent, (\d+) incomplete", script.text())
        assert report, script.text()
        halves += int(report[1])
        script = bench.script(broker, **ports)
    for t in threads:
        t.join(60 * SLOW)
    missing = MESSAGES - len(taken)
    assert missing == halves, f"{missing} of {MESSAGES} messages are missing, {halves} were reported incomplete"
    assert halves <= RESTARTS, f"{halves} messages incomplete in {RESTARTS} restarts of one connection"
    assert len(set(taken)) == len(taken), "a message came twice"


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
