"""REQ to REP and back, both ends on one core: on two, a round trip measures the wake-ups of the machine."""
from harness import Proc, free_ports
from works import Work


class Trip(Work):
    name, title, unit = "trip", "REQ/REP round trip, both ends on one core", "microseconds"
    sizes = [64]
    less, scale = True, 1
    who = [("raw", "raw epoll"), ("zmq", "libzmq"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv"),
           ("lua-uring", "Lua handler, io_uring"), ("lua-uv", "Lua handler, uv")]
    goals = {("sb-uring", 64): ("x limit", 1.15), ("lua-uring", 64): ("x limit", 1.3)}

    def value(self, result):
        return 1e6 / result.rate

    def procs(self, bench, kind, size):
        port, = free_ports(1)
        if kind == "raw":
            rep = [bench.program("raw"), "pong", f"listen={port}", "type=REP"]
            req = [bench.program("raw"), "ping", f"connect={port}", "type=REQ"]
        elif kind == "zmq":
            rep = [bench.program("zmq"), "rep", f"listen={port}"]
            req = [bench.program("zmq"), "req", f"connect={port}"]
        else:
            who, backend = kind.split("-")
            rep = [bench.program("sb"), "rep", f"listen={port}", f"backend={backend}"]
            if who == "lua":
                rep = bench.script("rep", backend, size, (port,))
            req = [bench.program("sb"), "req", f"connect={port}", f"backend={backend}"]
        return [Proc(rep, middle=True, settle=0.1, core=0), Proc(req + bench.common(size), receiver=True, core=0)]


WORKS = [Trip]
