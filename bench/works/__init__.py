"""The works that are measured, in the order of the report. A work is one file with one or more classes like Work."""
import statistics

from harness import Failed


class Work:
    """One table of the report.

    name      for --only; several works may share one
    title     what it is; `unit` of the numbers
    sizes     octets of a message (or whatever the work counts), each measured for every contestant
    who       contestants: (kind, label); kinds end in -uring or -uv where there are both
    less      True where the smaller number is better (times, memory)
    scale     what a number is divided by to be shown
    rival, limit   the kinds that ratios are taken to
    goals     {(kind, size): (column, bound)}: a ratio at least (with `less` at most) this good; column None: the value
    """
    name = title = unit = ""
    sizes, who, goals = [], [], {}
    less, scale, rival, limit = False, 1e6, "zmq", "raw"
    size_name = "octets"

    def procs(self, bench, kind, size):
        raise NotImplementedError

    def once(self, bench, kind, size):
        return bench.measure(self.procs(bench, kind, size))

    def value(self, result):
        return result.rate

    def compared(self, kind):
        """The columns of ratios: (head, kind to compare with, or None)."""
        twin = kind[:-2] + "uring" if kind.endswith("-uv") else None
        return [("x libzmq", self.rival), ("x limit", self.limit), ("uv/uring", twin)]


class Rows:
    """What a work measured: medians over repeats, the contestants taking turns."""

    def __init__(self, work):
        self.work = work
        self.results, self.reasons = {}, {}

    def measure(self, bench, sizes, kinds, progress):
        for size in sizes:
            for _ in range(bench.repeats):
                for kind in kinds:
                    if (kind, size) in self.reasons:
                        continue
                    try:
                        result = self.work.once(bench, kind, size)
                        self.results.setdefault((kind, size), []).append(result)
                        progress(f"{self.work.name} {size} {kind} {self.work.value(result):.4g}")
                    except (Failed, OSError) as e:
                        self.reasons[(kind, size)] = str(e) or type(e).__name__

    def median(self, kind, size, of):
        results = self.results.get((kind, size))
        return statistics.median(of(r) for r in results) if results else None

    def value(self, kind, size):
        return self.median(kind, size, self.work.value)

    def spread(self, kind, size):
        values = [self.work.value(r) for r in self.results[(kind, size)]]
        return (max(values) - min(values)) / statistics.median(values)

    def ratio(self, kind, size, other):
        mine, theirs = self.value(kind, size), self.value(other, size) if other else None
        return mine / theirs if mine and theirs else None

    def goal(self, kind, size):
        """(what is asked, met or not or None) of a row; the goal of io_uring is the one that is asked."""
        asked = self.work.goals.get((kind, size))
        if asked is None:
            return None
        column, bound = asked
        heads = dict(self.work.compared(kind))
        got = self.value(kind, size) if column is None else self.ratio(kind, size, heads[column])
        met = None if got is None else (got <= bound if self.work.less else got >= bound)
        return ("<=" if self.work.less else ">=") + f" {bound:g}" + ("" if column is None else column[:1]), met


def every():
    from works import broker, budget, external, fan, http, idle, inproc, nginx, oneway, subscriptions, tail, trip, workers
    modules = (oneway, inproc, broker, fan, subscriptions, trip, tail, idle, nginx, workers, http, budget, external)
    return [work() for module in modules for work in module.WORKS]
