"""Any other program that speaks ZMTP, as the broker between the same cheap ends.

--connect IN,OUT   it runs already: it binds a PULL at IN and a PUSH at OUT (tcp://127.0.0.1:PORT)
--command TEXT     or it is started for each measurement: {in} and {out} in the text become ports
"""
import shlex

from harness import Failed, Proc, free_ports
from works.broker import Broker


class External(Broker):
    name, title = "external", "Another program as the broker, beside ours"
    who = [("raw", "raw relay"), ("zmq", "zmq_proxy"), ("other", "the other program"),
           ("pass-uring", "one-row table, io_uring"), ("pass-uv", "one-row table, uv")]
    goals = {}

    def procs(self, bench, kind, size):
        if kind != "other":
            return super().procs(bench, kind, size)
        if bench.args.command:
            ports = free_ports(2)
            text = bench.args.command.replace("{in}", str(ports[0])).replace("{out}", str(ports[1]))
            return [Proc(shlex.split(text), middle=True, settle=0.1)] + self.ends(bench, kind, size, ports)
        try:
            ports = [int(at.rsplit(":", 1)[-1]) for at in bench.args.connect.split(",")]
            into, out = ports
        except (AttributeError, ValueError):
            raise Failed("--connect tcp://127.0.0.1:IN,tcp://127.0.0.1:OUT, or --command") from None
        return self.ends(bench, kind, size, (into, out))


WORKS = [External]
