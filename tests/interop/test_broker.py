#!/usr/bin/python3
"""A broker under load: two senders, two consumers of which one is slow, queues much smaller than the load. Nothing may be
lost and every path keeps its order."""
import os
import subprocess
import sys

from peer import HERE, SLOW, Failed
from runner import main, tests_of

FLOOD = os.path.join(HERE, "flood.py")
MESSAGES = 2_000_000


def flood(*words, **kw):
    return subprocess.Popen([sys.executable, FLOOD, *map(str, words)], stdin=subprocess.DEVNULL, text=True, **kw)


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


def start(bench, each, rest, **args):
    ports = {name: bench.free_port() for name in ("from", "a", "b")}
    script = bench.script(os.path.join(HERE, "broker.lua"), **ports, **args)
    at = {name: f"tcp://127.0.0.1:{port}" for name, port in ports.items()}
    pulls = [flood("pull", at["a"], each, rest, 20, stdout=subprocess.PIPE),
             flood("pull", at["b"], each, 0, 0, stdout=subprocess.PIPE)]
    pushes = [flood("push", at["from"], each, sender, "ab") for sender in (1, 2)]
    return script, pushes, pulls


def through(bench, total, **args):
    """Each consumer takes half of what both senders send."""
    each = total // 2
    script, pushes, pulls = start(bench, each, each // 50, **args)
    try:
        for p in pushes:
            if p.wait(120 * SLOW) != 0:
                raise Failed("a sender failed")
        # The senders are done, the slow consumer is not: what waits is in queues with limits.
        size = rss(script.p.pid)
        for name, p in zip("ab", pulls):
            text, _ = p.communicate(timeout=120 * SLOW)
            taken, disorder = (int(w) for w in text.split())
            assert (taken, disorder) == (each, 0), f"{name}: {taken} of {each} came, {disorder} out of order"
        assert SLOW > 1 or size < 100 << 20, f"the broker grew to {size >> 20} MiB"
    finally:
        for p in pushes + pulls:
            if p.poll() is None:
                p.kill()
            p.wait()
            if p.stdout:
                p.stdout.close()


def test_two_million_messages_through_a_route_table_with_a_slow_consumer(bench):
    through(bench, MESSAGES)


def test_messages_through_a_lua_function_with_a_slow_consumer(bench):
    through(bench, MESSAGES // 10, lua=1)


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
