"""One publisher, one subscriber with so many distinct subscriptions: what a message costs to match, what a subscription costs
in memory, and whether it is given back when the subscriber leaves. The messages are of
a thousand of the topics, so that it is the matching that is measured and not the memory of the machine."""
import time

from harness import Failed, Proc, Result, Run, cpu_ns, free_ports, resident, tree
from works import Work

MANY, LESS, HOT = 1000000, 100000, 1000
SIZES = [1000, MANY]


def quiet(pid, patience=60):
    """Waits until a process has nothing to do."""
    limit, last = time.monotonic() + patience, -1
    while time.monotonic() < limit:
        now = sum(cpu_ns(p) for p in tree(pid))
        if now - last < 2e6:
            return
        last = now
        time.sleep(0.2)
    raise Failed("it never comes to rest")


class Match(Work):
    name, title = "subscriptions", "One publisher with so many distinct subscriptions, a message of 64 octets matches one"
    unit, size_name, sizes = "processor time of the publisher per message, us", "subscriptions", SIZES
    less, scale = True, 1
    who = [("zmq", "libzmq, SUB to PUB"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv")]
    goals = {("sb-uring", 1000): ("x libzmq", 0.6), ("sb-uring", MANY): ("x libzmq", 1)}

    def value(self, result):
        return result.middle

    def publisher(self, bench, kind, ports):
        if kind == "zmq":
            return [bench.program("zmq"), "spread", f"listen={ports[0]},{ports[1]}", "hwm=10000", "nodrop=1"]
        return bench.script("fan", kind[3:], 64, ports, nodrop=1)

    def procs(self, bench, kind, size):
        ports, many = free_ports(2), [f"prefixes={size}"]
        return [Proc(self.publisher(bench, kind, ports), middle=True, settle=0.1),
                Proc([bench.program("raw"), "recv", f"connect={ports[1]}", "type=SUB", "tell=1"] + bench.common(64) + many,
                     receiver=True, opens=True),
                Proc([bench.program("raw"), "send", f"connect={ports[0]}", "type=PUB", "size=64", f"hot={HOT}"] + many)]

    def once(self, bench, kind, size):
        count = LESS if bench.quick and size == MANY else size
        middle, receiver, sender = self.procs(bench, kind, count)
        with Run([middle, receiver], bench.window / 1000 + 30) as run:
            pid = middle.process.pid
            quiet(pid)
            full = resident(pid)
            sender.start()
            try:
                result = self.matched(bench, run)
                receiver.end()
            finally:
                sender.end() # or what its stream needs would count
            quiet_without = self.rest(pid)
        before = bench.memory.setdefault(("empty", kind), self.empty(bench, kind))
        bench.memory.setdefault((kind, size), []).append(((full - before) / count, (quiet_without - before) / count))
        return result

    def matched(self, bench, run):
        run.line()
        before = run.cpu()
        time.sleep(bench.window / 1000 * 0.97)
        used = {p: (ns - before[p]) / 0.97 for p, ns in run.cpu().items()}
        words = run.line()
        n, ns = int(words[1]), int(words[2])
        return Result(n / ns * 1e9, sum(used.values()) / n / 1e3, used[run.middle] / n / 1e3)

    def rest(self, pid):
        """What is left half a second after the ends left, when it shrinks no more."""
        last = resident(pid)
        for _ in range(100):
            time.sleep(0.5)
            now = resident(pid)
            if now >= last:
                return now
            last = now
        return last

    def empty(self, bench, kind):
        """The same publisher with a single subscription, at work."""
        middle, receiver, sender = self.procs(bench, kind, 1)
        with Run([middle, receiver], bench.window / 1000 + 30) as run:
            sender.start()
            try:
                run.line()
                return resident(middle.process.pid)
            finally:
                sender.end()


class Memory(Match):
    """Of the subscriptions that Match made."""
    title, unit, sizes = "Memory of one of so many subscriptions", "octets", [MANY]
    goals = {("sb-uring", MANY): ("x libzmq", 0.6)}
    part = 0

    def value(self, result):
        return result.rate

    def once(self, bench, kind, size):
        kept = bench.memory.get((kind, size), [])
        if not kept:
            raise Failed("not measured")
        return Result(kept[0][self.part])


class Left(Memory):
    title = "... and what of it is not given back when they are removed"
    goals = {("sb-uring", MANY): (None, 5)}
    part = 1


WORKS = [Match, Memory, Left]
