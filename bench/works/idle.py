"""Ten thousand connections that say nothing: how fast they are taken, and what each of them costs in memory."""
from harness import Failed, Proc, Result, Run, free_ports, resident
from works import Work

PEERS = 10000


class Accept(Work):
    name, title, unit = "idle", "Accepting 10,000 connections, handshake included", "thousand connections/s"
    size_name, sizes, scale = "peers", [PEERS], 1e3
    who = [("zmq", "libzmq"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv")]
    goals = {("sb-uring", PEERS): ("x libzmq", 3)}

    def procs(self, bench, kind, size):
        port, = free_ports(1)
        end, backend = ("zmq", []) if kind == "zmq" else ("sb", [f"backend={kind[3:]}"])
        peers = min(size, bench.files - 100)
        return [Proc([bench.program(end), "pull", f"listen={port}"] + backend, middle=True, settle=0.1),
                Proc([bench.program("raw"), "idle", f"connect={port}", "type=PUSH", f"peers={peers}"], receiver=True)]

    def once(self, bench, kind, size):
        with Run(self.procs(bench, kind, size), 60) as run:
            run.line()
            pid = run.middle.process.pid
            before, spent = resident(pid), run.cpu()
            words = run.line()
            n, ns = int(words[1]), int(words[2])
            used = {p: t - spent[p] for p, t in run.cpu().items()}
            bench.memory.setdefault(kind, []).append((resident(pid) - before) / n)
        return Result(n / ns * 1e9, sum(used.values()) / n / 1e3, used[run.middle] / n / 1e3)


class Memory(Accept):
    """Of the connections that Accept made."""
    title, unit, less, scale = "Memory of an idle connection, beyond the kernel's", "octets", True, 1
    goals = {("sb-uring", PEERS): (None, 2048)}

    def value(self, result):
        return result.rate

    def once(self, bench, kind, size):
        if not bench.memory.get(kind):
            raise Failed("not measured")
        return Result(bench.memory[kind].pop(0))


WORKS = [Accept, Memory]
