"""Instructions per message, counted by callgrind: the same on a busy machine as on a quiet one.

Two runs with a different number of messages; their difference is free of what starting costs. libuv, because valgrind knows
not all of io_uring. BUDGET is what a message may cost, a twentieth above what it did cost; a regression shows as a row that is over it. The numbers
are in docs/performance.md too.
"""
import os
import re
import shutil
import signal
import subprocess

from harness import Failed, Proc, Result, Run, free_ports, hwm
from works.broker import Broker

BUDGET = {("send", 64): 221, ("receive", 64): 196, ("pass", 64): 30, ("route", 64): 241, ("fan", 64): 7,
          ("prefixes", 64): 400, ("few", 64): 354, ("many", 64): 356, ("choose", 64): 945, ("edit", 64): 1315,
          ("lookup", 64): 3010, ("upper", 64): 4615, ("inproc", 64): 425}
COUNTS = 20000, 60000
# Subscribers, and how many prefixes they share; a thousand of these are sent.
PUBLISHED = {"fan": (16, 0), "prefixes": (16, 10000), "few": (1, 1000), "many": (1, 30000)}


class Budget(Broker):
    name, title, unit = "budget", "Instructions per message of 64 octets (callgrind, libuv)", "instructions"
    sizes, less, scale = [64], True, 1
    who = [("send", "one way, sending"), ("receive", "one way, receiving"), ("pass", "one-row table"),
           ("route", "content table"), ("fan", "fan-out to 16, a delivery"),
           ("prefixes", "10,000 prefixes, a delivery"), ("few", "one of 1,000 subscriptions"),
           ("many", "one of 30,000 subscriptions"), ("choose", "Lua function"), ("edit", "Lua edits a frame"),
           ("lookup", "Lua function with a table"), ("upper", "Lua edits with a string method"),
           ("inproc", "inside one process, both ends")]
    goals = {key: (None, bound) for key, bound in BUDGET.items()}

    def compared(self, kind):
        return []

    def counted(self, bench, kind, size, count):
        """The processes, the one to be counted first."""
        ports, many = free_ports(3), [f"count={count}", f"size={size}"]
        raw, sb = bench.program("raw"), bench.program("sb")
        if kind == "send":
            return [Proc([sb, "push", f"connect={ports[0]}", f"size={size}", "backend=uv"], middle=True),
                    Proc([raw, "recv", f"listen={ports[0]}", "type=PULL"] + many, receiver=True)]
        if kind == "receive":
            return [Proc([sb, "pull", f"listen={ports[0]}", "backend=uv"] + many, middle=True, receiver=True),
                    Proc([raw, "send", f"connect={ports[0]}", "type=PUSH"] + many)]
        if kind == "inproc":
            return [Proc([sb, "inproc", f"size={size}", f"hwm={hwm(size)}", "backend=uv"] + many, middle=True, receiver=True)]
        if kind in PUBLISHED:
            return self.published(bench, kind, size, ports, count)
        two = kind in ("route", "choose", "lookup")
        topic = ["topic=1"] if kind in ("edit", "upper") else []
        outs = f"connect={ports[1]},{ports[2]}" if two else f"connect={ports[1]}"
        return [Proc(bench.script(kind, "uv", size, ports), middle=True),
                Proc([raw, "recv", outs, "type=PULL"] + many, receiver=True),
                Proc([raw, "send", f"connect={ports[0]}", "type=PUSH"] + many + topic)]

    def published(self, bench, kind, size, ports, count):
        """So many deliveries, of messages for all subscribers or for one."""
        raw, (subscribers, prefixes) = bench.program("raw"), PUBLISHED[kind]
        topics = [f"prefixes={prefixes}"] if prefixes else []
        hot = ["hot=1000"] if subscribers == 1 else []
        sent = count if topics else count // subscribers
        return [Proc(bench.script("fan", "uv", size, ports, nodrop=1), middle=True, settle=0.1),
                Proc([raw, "recv", f"connect={ports[1]}", f"times={subscribers}", "type=SUB", "tell=1", f"count={count}",
                      f"size={size}"] + topics, receiver=True, opens=True, settle=0.1 + prefixes / 3000),
                Proc([raw, "send", f"connect={ports[0]}", "type=PUB", f"size={size}", f"count={sent}"] + topics + hot)]

    def instructions(self, bench, kind, size, count):
        out = os.path.join(bench.folder, "callgrind.out")
        procs = self.counted(bench, kind, size, count)
        procs[0].command[:0] = ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}"]
        with Run(procs, 60) as run:
            run.line()
            run.line()
            if procs[0].process.poll() is None:
                procs[0].process.send_signal(signal.SIGTERM)
            try:
                procs[0].process.wait(20)
            except subprocess.TimeoutExpired:
                raise Failed("valgrind does not end") from None
        with open(out) as f:
            return int(re.search(r"^(?:totals|summary): (\d+)", f.read(), re.M).group(1))

    def once(self, bench, kind, size):
        if shutil.which("valgrind") is None:
            raise Failed("no valgrind")
        few, many = (self.instructions(bench, kind, size, n) for n in COUNTS)
        return Result((many - few) / (COUNTS[1] - COUNTS[0]))


WORKS = [Budget]
