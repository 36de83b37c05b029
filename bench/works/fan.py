"""XSUB to XPUB: one publisher, many subscribers, nothing dropped."""
from harness import Proc, free_ports, hwm
from works import Work


class Fan(Work):
    name, title = "fan", "Fan-out XSUB to XPUB, 16 subscribers to everything, nothing dropped"
    unit, subscribers, prefixes = "million deliveries/s", 16, 0
    sizes = [64, 1024]
    who = [("raw", "raw relay"), ("zmq", "zmq_proxy"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv")]
    goals = {("sb-uring", 64): ("x libzmq", 5), ("sb-uring", 1024): ("x libzmq", 5)}

    def middle(self, bench, kind, size, a, b):
        if kind == "raw":
            return [bench.program("raw"), "relay", f"listen={a},{b}", "type=XPUB", f"outs={self.subscribers}"]
        if kind == "zmq":
            return [bench.program("zmq"), "fan", f"listen={a},{b}", f"hwm={hwm(size)}", "nodrop=1"]
        return bench.script("fan", kind.split("-")[1], size, (a, b), nodrop=1)

    def topics(self, size):
        return []

    def procs(self, bench, kind, size):
        a, b = free_ports(2)
        subs = [f"connect={b}", f"times={self.subscribers}", "type=SUB", "tell=1"]
        octets = self.octets(size)
        return [Proc(self.middle(bench, kind, octets, a, b), middle=True, settle=0.1),
                Proc([bench.program("raw"), "recv"] + subs + bench.common(octets) + self.topics(size), receiver=True,
                     opens=True, settle=0.1),
                Proc([bench.program("raw"), "send", f"connect={a}", "type=PUB", f"size={octets}"] + self.topics(size))]

    def octets(self, size):
        return size


class Many(Fan):
    title = "Fan-out XSUB to XPUB, 1,000 subscribers to everything, nothing dropped"
    subscribers = 1000
    sizes = [64]
    goals = {("sb-uring", 64): ("x libzmq", 5)}


class Prefixes(Fan):
    title = "XSUB to XPUB, 16 subscribers share out so many prefixes, a message of 64 octets matches one"
    size_name, sizes = "prefixes", [16, 10000]
    who = [("zmq", "zmq_proxy"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv")]
    goals = {("sb-uring", 16): ("x libzmq", 5), ("sb-uring", 10000): ("x libzmq", 5)}

    def octets(self, size):
        return 64

    def topics(self, size):
        return [f"prefixes={size}"]


WORKS = [Fan, Many, Prefixes]
