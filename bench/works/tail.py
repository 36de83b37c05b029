"""How long one quiet client's requests take while another client's stream saturates the same broker.

The broker passes a stream from PULL to PUSH and answers requests on a REP socket: one loop here; in libzmq zmq_proxy in one
thread, the answers in another, one context. Broker and quiet client share a core, the ends of the stream have the other.
Plain sockets have a process that relays and one that answers, on the same core: what is left is the kernel's way to share it.
"""
from harness import Proc, free_ports, hwm
from works import Work


class Tail(Work):
    name, title = "tail", "Round trip p99 of a quiet client, the broker idle and saturated by another client's stream"
    unit, less, scale = "microseconds", True, 1
    sizes = [64]
    who = [("raw-idle", "raw epoll, idle"), ("raw-busy", "raw epoll and relay, saturated"),
           ("zmq-idle", "libzmq, idle"), ("zmq-busy", "libzmq, saturated"),
           ("uring-idle", "Signalbox io_uring, idle"), ("uring-busy", "Signalbox io_uring, saturated"),
           ("uv-idle", "Signalbox uv, idle"), ("uv-busy", "Signalbox uv, saturated")]
    goals = {("uring-busy", 64): ("x idle", 5), ("uv-busy", 64): ("x idle", 5)}

    def value(self, result):
        return int(result.words[1]) / 1e3

    def compared(self, kind):
        who, state = kind.split("-")
        return [("x idle", who + "-idle" if state == "busy" else None),
                ("x libzmq", "zmq-" + state if who not in ("zmq", "raw") else None)]

    def procs(self, bench, kind, size):
        who, state = kind.split("-")
        ports = free_ports(3)
        a, b, c = ports
        if who == "raw":
            middles = [[bench.program("raw"), "pong", f"listen={c}", "type=REP"]]
            if state == "busy":
                middles.append([bench.program("raw"), "relay", f"listen={a},{b}", "type=PULL"])
        elif who == "zmq":
            middles = [[bench.program("zmq"), "both", f"listen={a},{b},{c}", f"hwm={hwm(size)}"]]
        else:
            middles = [bench.script("both", who, size, ports)]
        procs = [Proc(middle, middle=True, settle=0.1, core=0) for middle in middles]
        if state == "busy":
            procs += [Proc([bench.program("raw"), "recv", f"connect={b}", "type=PULL", "window=60000"], core=1),
                      Proc([bench.program("raw"), "send", f"connect={a}", "type=PUSH", f"size={size}"], core=1, settle=0.1)]
        quiet = [bench.program("raw"), "quiet", f"connect={c}", "type=REQ", f"size={size}", "warm=300"]
        return procs + [Proc(quiet + [f"window={bench.window * 2}"], receiver=True, core=0)]


WORKS = [Tail]
