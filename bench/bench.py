#!/usr/bin/python3
"""Benchmarks: Signalbox beside libzmq and beside raw sockets, in the same run.

Every row is measured several times, the contestants taking turns, and the table shows medians. A receiver counts what
really arrived in a window after a warm-up; the processor time of all go-betweens and ends is read over the same window.
Nothing is asserted here: a benchmark measures.
"""
import argparse
import os
import random
import select
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def hwm(size):
    """The same high water mark for everybody: ten thousand messages, but not more than 16 MiB."""
    return max(100, min(10000, (16 << 20) // size))


class Failed(Exception):
    pass


def free_ports(n):
    """Below those the kernel gives to connecting sockets: nobody takes them meanwhile."""
    ports = []
    while len(ports) < n:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def cpu_ns(pid):
    """Processor time of all threads of a process."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
    except OSError:
        pass
    return total


class Bench:
    def __init__(self, args):
        self.build = os.path.abspath(args.build)
        self.window, self.warm = (250, 150) if args.quick else (600, 250)
        self.repeats = args.repeats or (2 if args.quick else 5)
        self.verbose = args.verbose

    def program(self, name):
        return os.path.join(self.build, "bench", "bench_" + name)

    def has(self, name):
        return os.path.exists(self.program(name))

    def run(self, procs, core=None):
        """Starts commands in order; the one marked with "*" is the receiver. Returns messages/s and CPU seconds per
        million messages: (of everybody, of the process marked with "+")."""
        started, receiver, middle = [], None, None
        try:
            for mark, cmd in procs:
                pin = ["taskset", "-c", str(core)] if core is not None else []
                p = subprocess.Popen(pin + [str(c) for c in cmd], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE if "*" in mark else subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True)
                started.append(p)
                receiver = p if "*" in mark else receiver
                middle = p if "+" in mark else middle
                if "~" in mark:
                    time.sleep(0.1)
            return self.follow(receiver, middle, started)
        finally:
            for p in started:
                if p.poll() is None:
                    p.kill()
            for p in started:
                p.communicate()

    def follow(self, receiver, middle, started):
        self.line(receiver, started)
        before = {p: cpu_ns(p.pid) for p in started}
        # Readings just before the end: the receiver leaves as soon as it has said "end", and others may follow it.
        share = 0.97
        time.sleep(self.window / 1000 * share)
        used = {p: (cpu_ns(p.pid) - before[p]) / share for p in started}
        words = self.line(receiver, started).split()
        n, ns = int(words[1]), int(words[2])
        if n == 0:
            raise Failed("nothing arrived")
        return n / ns * 1e9, sum(used.values()) / n / 1e3, used.get(middle, 0) / n / 1e3

    def line(self, receiver, started):
        limit = time.monotonic() + self.window / 1000 + 8
        while time.monotonic() < limit:
            if select.select([receiver.stdout], [], [], 0.25)[0]:
                text = receiver.stdout.readline()
                if text:
                    return text
                raise Failed(self.complaint(started))
            dead = [p for p in started if p.poll() not in (None, 0)]
            if dead:
                raise Failed(self.complaint(started))
        raise Failed("no message came in time")

    @staticmethod
    def complaint(started):
        time.sleep(0.05)
        for p in started:
            if p.poll() not in (None, 0):
                name = os.path.basename(p.args[0] if p.args[0] != "taskset" else p.args[3])
                return f"{name} {p.returncode}: " + (p.stderr.read() or "").strip()[-200:]
        return "the receiver ended early"

    # The cases: each gives a list of (mark, command).

    def common(self, size, count=True):
        words = [f"size={size}", f"hwm={hwm(size)}"]
        return words + [f"warm={self.warm}", f"window={self.window}"] if count else words

    def oneway(self, kind, size):
        port, = free_ports(1)
        end, back = (kind, []) if "-" not in kind else ("sb", [f"backend={kind[3:]}"])
        recv = "recv" if kind == "raw" else "pull"
        send = "send" if kind == "raw" else "push"
        return [("*", [self.program(end), recv, f"listen={port}", "type=PULL"] + self.common(size) + back),
                ("", [self.program(end), send, f"connect={port}", "type=PUSH"] + self.common(size) + back)]

    def broker(self, kind, size):
        a, b, c = free_ports(3)
        outs = f"connect={b}"
        if kind == "raw":
            middle = [self.program("raw"), "relay", f"listen={a},{b}", "type=PULL"]
        elif kind == "zmq":
            middle = [self.program("zmq"), "proxy", f"listen={a},{b}", f"hwm={hwm(size)}"]
        else:
            script, backend = kind.split("-")
            middle = self.script(script, backend, size, a, b, c)
            if script != "pass":
                outs = f"connect={b},{c}"
        return [("+~", middle),
                ("*", [self.program("raw"), "recv", outs, "type=PULL"] + self.common(size)),
                ("", [self.program("raw"), "send", f"connect={a}", "type=PUSH", f"size={size}"])]

    def script(self, name, backend, size, a, b, c, nodrop=0):
        return [self.program("sb"), "script", f"backend={backend}", f"script={HERE}/scripts/{name}.lua", "--",
                f"from={a}", f"a={b}", f"b={c}", f"hwm={hwm(size)}", f"nodrop={nodrop}"]

    def trip(self, kind, size):
        port, = free_ports(1)
        req = rep = None
        if kind == "raw":
            rep = [self.program("raw"), "pong", f"listen={port}", "type=REP"]
            req = [self.program("raw"), "ping", f"connect={port}", "type=REQ"]
        elif kind == "zmq":
            rep = [self.program("zmq"), "rep", f"listen={port}"]
            req = [self.program("zmq"), "req", f"connect={port}"]
        else:
            who, backend = kind.split("-")
            rep = [self.program("sb"), "rep", f"listen={port}", f"backend={backend}"]
            if who == "lua":
                rep = self.script("rep", backend, size, port, 0, 0)
            req = [self.program("sb"), "req", f"connect={port}", f"backend={backend}"]
        return [("+~", rep), ("*", req + self.common(size))]

    def fan(self, kind, size):
        a, b = free_ports(2)
        if kind == "raw":
            middle = [self.program("raw"), "relay", f"listen={a},{b}", "type=XPUB", "outs=16"]
        elif kind == "zmq":
            middle = [self.program("zmq"), "fan", f"listen={a},{b}", f"hwm={hwm(size)}", "nodrop=1"]
        else:
            middle = self.script("fan", kind.split("-")[1], size, a, b, 0, nodrop=1)
        subs = "connect=" + ",".join([str(b)] * 16)
        return [("+~", middle), ("*~", [self.program("raw"), "recv", subs, "type=SUB"] + self.common(size)),
                ("", [self.program("raw"), "send", f"connect={a}", "type=PUB", f"size={size}"])]


# What is measured: title, case, sizes, contestants (name, label); the rival is "zmq", the limit "raw".
SETS = [
    ("one way", "One way, PUSH to PULL, two processes, TCP (million messages/s)", "oneway",
     [16, 64, 256, 1024, 16384, 131072],
     [("raw", "raw sockets"), ("zmq", "libzmq"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv")]),
    ("broker", "Broker PULL to PUSH, cheap raw ends (million messages/s)", "broker", [64, 256, 1024],
     [("raw", "raw relay"), ("zmq", "zmq_proxy"),
      ("pass-uring", "one-row table, io_uring"), ("route-uring", "content table, io_uring"),
      ("choose-uring", "Lua function, io_uring"), ("pass-uv", "one-row table, uv"),
      ("route-uv", "content table, uv"), ("choose-uv", "Lua function, uv")]),
    ("trip", "REQ/REP round trip, both ends on one core (microseconds)", "trip", [64],
     [("raw", "raw epoll"), ("zmq", "libzmq"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv"),
      ("lua-uring", "Lua handler, io_uring"), ("lua-uv", "Lua handler, uv")]),
    ("fan", "Fan-out XSUB to XPUB, 16 subscribers, nothing dropped (million deliveries/s)", "fan", [64, 1024],
     [("raw", "raw relay"), ("zmq", "zmq_proxy"), ("sb-uring", "Signalbox, io_uring"), ("sb-uv", "Signalbox, uv")]),
]


def measure(bench, case, sizes, contestants):
    """rows[(kind, size)] = list of results or the reason why not."""
    rows = {}
    for size in sizes:
        alive = [kind for kind, _ in contestants]
        for _ in range(bench.repeats):
            for kind in list(alive):
                try:
                    made = getattr(bench, case)(kind, size)
                    result = bench.run(made, core=0 if case == "trip" else None)
                    rows.setdefault((kind, size), []).append(result)
                except (Failed, OSError) as e:
                    rows[(kind, size)] = rows.get((kind, size)) or str(e)
                    alive.remove(kind)
                if bench.verbose:
                    print(case, size, kind, rows[(kind, size)], file=sys.stderr)
    return rows


def median(rows, key, i):
    r = rows.get(key)
    return statistics.median(x[i] for x in r) if isinstance(r, list) else None


def number(x):
    if x is None:
        return "-"
    return f"{x:.2f}" if x < 10 else f"{x:.1f}"


def ratio(a, b):
    if a is None or b is None or not a or not b:
        return "-"
    return f"{a / b:.2f}x"


def show(title, case, sizes, contestants, rows):
    trip = case == "trip"
    print(f"\n{title}")
    print(f"{'octets':>8}  {'who':<26}{'median':>9}{'spread':>8}{'to libzmq':>11}{'to raw':>9}{'CPU s/million':>15}"
          f"{'middle':>8}")
    for size in sizes:
        value = {k: median(rows, (k, size), 0) for k, _ in contestants}
        for kind, label in contestants:
            v, r = value[kind], rows.get((kind, size))
            if v is None:
                print(f"{size:>8}  {label:<26}{'-':>9}  {r}")
                continue
            shown = 1e6 / v if trip else v / 1e6
            rates = [x[0] for x in r]
            spread = (max(rates) - min(rates)) / v * 100
            print(f"{size:>8}  {label:<26}{number(shown) if shown >= 0.1 else f'{shown:.4f}':>9}{spread:>7.0f}%"
                  f"{ratio(v, value.get('zmq')):>11}{ratio(v, value.get('raw')):>9}"
                  f"{median(rows, (kind, size), 1):>15.3f}{median(rows, (kind, size), 2):>8.3f}")
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", help="two repeats, short windows (under two minutes)")
    parser.add_argument("--repeats", type=int, default=0)
    parser.add_argument("--only", action="append", help="one way, broker, trip, fan")
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--kind", action="append", help="only contestants whose name contains this (and raw, zmq)")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    bench = Bench(args)
    if not bench.has("raw"):
        sys.exit(f"no benchmark programs in {bench.build}/bench")
    began = time.monotonic()
    for name, title, case, sizes, contestants in SETS:
        if args.only and name not in args.only:
            continue
        sizes = [s for s in sizes if not args.size or s in args.size]
        if args.kind:
            contestants = [c for c in contestants if c[0] in ("raw", "zmq") or any(k in c[0] for k in args.kind)]
        contestants = [c for c in contestants if c[0] == "raw" or bench.has("zmq" if c[0] == "zmq" else "sb")]
        if sizes:
            show(title, case, sizes, contestants, measure(bench, case, sizes, contestants))
    print(f"ratios: how many times as much work in the same time; medians of {bench.repeats}, windows of "
          f"{bench.window} ms; the same high water mark for everybody; CPU: all processes, and the one in the middle; "
          f"{os.cpu_count()} cores, kernel {os.uname().release}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
