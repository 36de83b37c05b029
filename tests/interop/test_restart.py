#!/usr/bin/python3
"""A broker that is stopped and started again under load: what libzmq gave away is delivered or stays with libzmq."""
import os
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
    while len(taken) < MESSAGES and time.monotonic() - quiet_since < 10 * SLOW:
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
    for k in range(1, RESTARTS + 1):
        until(lambda: len(taken) > k * MESSAGES // (RESTARTS + 2), 60, "messages flow")
        bench.scripts.remove(script)
        script.quit()
        assert "drained, 0 messages unsent" in script.text(), script.text()
        script = bench.script(broker, **ports)
    for t in threads:
        t.join(60 * SLOW)
    assert len(taken) == MESSAGES, f"{MESSAGES - len(taken)} of {MESSAGES} messages are missing"
    assert len(set(taken)) == MESSAGES, "a message came twice"


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
