"""PUSH to PULL inside one process: libzmq between two threads (its inproc_thr), ours in one engine without any."""
from harness import Proc
from works import Work


class Inproc(Work):
    name, title, unit = "inproc", "PUSH to PULL inside one process", "million messages/s"
    sizes = [64, 1024]
    who = [("zmq", "libzmq, two threads"), ("sb-uring", "Signalbox, no thread")]
    goals = {("sb-uring", 64): ("x libzmq", 5)}

    def procs(self, bench, kind, size):
        return [Proc([bench.program(kind.split("-")[0]), "inproc"] + bench.common(size), receiver=True)]


WORKS = [Inproc]
