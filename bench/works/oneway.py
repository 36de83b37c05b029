"""PUSH to PULL, two processes, default settings, over TCP, over ipc and with CURVE."""
from harness import Proc, free_ports
from works import Work


class Tcp(Work):
    name, title, unit = "one way", "One way, PUSH to PULL, two processes, TCP", "million messages/s"
    sizes = [16, 64, 256, 1024, 16384, 131072]
    who = [("raw", "raw sockets"), ("zmq", "libzmq"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv")]
    goals = {("sb-uring", size): ("x libzmq", bound) for size, bound in ((64, 6), (256, 5.5), (1024, 4.5), (16384, 2.8))}

    def where(self, bench):
        return []

    def procs(self, bench, kind, size):
        port, = free_ports(1)
        end, backend = (kind, []) if "-" not in kind else ("sb", [f"backend={kind[3:]}"])
        recv, send = ("recv", "send") if kind == "raw" else ("pull", "push")
        words = bench.common(size) + backend + self.where(bench)
        return [Proc([bench.program(end), recv, f"listen={port}", "type=PULL"] + words, receiver=True),
                Proc([bench.program(end), send, f"connect={port}", "type=PUSH"] + words)]


class Ipc(Tcp):
    name, title = "ipc", "One way, PUSH to PULL, two processes, ipc"
    sizes = [64, 1024]
    goals = {("sb-uring", 64): ("x libzmq", 6), ("sb-uring", 1024): ("x libzmq", 6)}

    def where(self, bench):
        return [f"dir={bench.folder}"]


class Curve(Tcp):
    name, title = "curve", "One way, PUSH to PULL, two processes, TCP, CURVE"
    sizes = [64, 1024, 16384]
    who = [w for w in Tcp.who if w[0] != "raw"]
    goals = {("sb-uring", 64): ("x libzmq", 2), ("sb-uring", 1024): ("x libzmq", 2)}

    def where(self, bench):
        return ["curve=1"]


WORKS = [Tcp, Ipc, Curve]
