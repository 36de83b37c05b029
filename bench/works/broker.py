"""PULL to PUSH through a broker, between cheap raw ends."""
from harness import Proc, free_ports, hwm
from works import Work


class Broker(Work):
    name, title, unit = "broker", "Broker PULL to PUSH, cheap raw ends", "million messages/s"
    sizes = [64, 256, 1024]
    who = [("raw", "raw relay"), ("zmq", "zmq_proxy"),
           ("pass-uring", "one-row table, io_uring"), ("pass-uv", "one-row table, uv"),
           ("route-uring", "content table, io_uring"), ("route-uv", "content table, uv"),
           ("choose-uring", "Lua function, io_uring"), ("choose-uv", "Lua function, uv"),
           ("lookup-uring", "Lua function with a table, io_uring")]
    goals = {(kind, size): ("x libzmq", bound)
             for kind, bounds in (("pass-uring", (5, 6, 4)), ("route-uring", (5, 6, 4)), ("choose-uring", (1.5, 3, 3.5)))
             for size, bound in zip((64, 256, 1024), bounds)}
    shape = []

    def middle(self, bench, kind, size, ports):
        if kind == "raw":
            return [bench.program("raw"), "relay", f"listen={ports[0]},{ports[1]}", "type=PULL"]
        if kind == "zmq":
            return [bench.program("zmq"), "proxy", f"listen={ports[0]},{ports[1]}", f"hwm={hwm(size)}"]
        script, backend = kind.split("-")
        return bench.script(script, backend, size, ports)

    def ends(self, bench, kind, size, ports):
        two = kind.startswith(("route", "choose", "lookup"))
        outs = f"connect={ports[1]},{ports[2]}" if two else f"connect={ports[1]}"
        return [Proc([bench.program("raw"), "recv", outs, "type=PULL"] + bench.common(size), receiver=True),
                Proc([bench.program("raw"), "send", f"connect={ports[0]}", "type=PUSH", f"size={size}"] + self.shape)]

    def procs(self, bench, kind, size):
        ports = free_ports(3)
        middle = Proc(self.middle(bench, kind, size, ports), middle=True, settle=0.1)
        return [middle] + self.ends(bench, kind, size, ports)


class Edit(Broker):
    name, title = "edit", "Broker whose Lua function edits the first of two frames (libzmq and raw: unedited)"
    who = [("raw", "raw relay"), ("zmq", "zmq_proxy"), ("edit-uring", "Lua edits, io_uring"), ("edit-uv", "Lua edits, uv"),
           ("upper-uring", "Lua edits with a string method, io_uring")]
    goals = {("edit-uring", size): ("x libzmq", bound) for size, bound in ((64, 1), (256, 2), (1024, 3))}
    shape = ["topic=1"]


WORKS = [Broker, Edit]
