"""A storm: many honest CURVE clients that connect at once, each with a question whose answer says that it is in.

storm.py [--clients N] [--addresses N,...] [--per-turn N,...]: figures as those of docs/limits.md. Beside the storm a client that
was let in before asks on: what it waited at most and in the middle, and how long it took until all were in, here on both
backends and, in the same run, of a ROUTER of libzmq."""
import argparse
import os
import statistics
import subprocess
import sys
import time

import zmq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


def curve_client(server):
    public, secret = zmq.curve_keypair()
    return dict(curve_serverkey=server, curve_publickey=public, curve_secretkey=secret)


def client(endpoint, server, first, count, addresses):
    """One process of the storm: a ROUTER with as many connections, each with its question. Says when all were answered."""
    context = zmq.Context()
    sock = context.socket(zmq.ROUTER)
    sock.linger, sock.sndhwm, sock.rcvhwm, sock.router_mandatory = 0, 0, 0, 1
    for option, value in curve_client(server.encode()).items():
        setattr(sock, option, value)
    print("ready", flush=True)
    sys.stdin.readline()
    place = endpoint.removeprefix("tcp://")
    for i in range(first, first + count):  # with ports of our own: the kernel takes a millisecond to find one on a given address
        sock.setsockopt(zmq.CONNECT_ROUTING_ID, b"c%d" % i)
        sock.connect(f"tcp://127.0.1.{1 + i % addresses}:{10000 + i};{place}")
        sock.send_multipart([b"c%d" % i, b"hello"])
    missing = set(range(first, first + count))
    while missing:
        name, said = sock.recv_multipart()
        assert said == b"hello", said
        missing.discard(int(name[1:]))
    print("all", flush=True)
    sys.stdin.readline()
    context.destroy(linger=0)


class Storm:
    """Clients in processes of their own, of so many addresses; they wait for go()."""

    def __init__(self, endpoint, server, clients, addresses, processes=4):
        self.processes = []
        for i in range(processes):
            count = clients * (i + 1) // processes - clients * i // processes
            self.processes.append(subprocess.Popen(
                [sys.executable, os.path.abspath(__file__), "--client", endpoint, server.decode(),
                 str(clients * i // processes), str(count), str(addresses)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for p in self.processes:
            assert p.stdout.readline() == "ready\n"
            os.set_blocking(p.stdout.fileno(), False)
        self.left = list(self.processes)

    def go(self):
        self.begin = time.monotonic()
        for p in self.processes:
            p.stdin.write("go\n")
            p.stdin.flush()

    def all_in(self):
        """Whether every client has its answer by now."""
        self.left = [p for p in self.left if p.stdout.readline() != "all\n"]
        return not self.left

    def close(self):
        for p in self.processes:
            p.kill()
            p.wait()
            p.stdin.close()
            p.stdout.close()


def connected(endpoint):
    """How many connections to it there are, whether accepted already or not."""
    port = int(endpoint.rsplit(":", 1)[1])
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows[1:])


def weather(good, storm, seconds, pause=0.002):
    """Asks on until all are in; how long that took."""
    while not storm.all_in():
        assert time.monotonic() - storm.begin < seconds, f"after {seconds:.0f} s {len(storm.left)} processes wait"
        good.ping()
        time.sleep(pause)
    return time.monotonic() - storm.begin


# ---- figures ----

class Theirs:
    """A ROUTER of libzmq that gives back what comes, in a process of its own."""

    def __init__(self, secret):
        self.context = zmq.Context()
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--serve", secret.decode()],
                                        stdout=subprocess.PIPE, text=True)
        self.where = self.process.stdout.readline().strip()

    def client(self, kind, _, **options):
        sock = self.context.socket(kind)
        sock.linger, sock.rcvtimeo = 0, 60000
        for option, value in options.items():
            setattr(sock, option, value)
        sock.connect(self.where)
        return sock

    def endpoint(self, _):
        return self.where

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.context.destroy(linger=0)


def serve(secret):
    sock = zmq.Context().socket(zmq.ROUTER)
    sock.curve_server, sock.curve_secretkey, sock.backlog = True, secret.encode(), 4096
    sock.sndhwm = sock.rcvhwm = 0
    sock.bind("tcp://127.0.0.1:*")
    print(sock.last_endpoint.decode(), flush=True)
    while True:
        sock.send_multipart(sock.recv_multipart())


def measure(name, target, public, clients, addresses):
    from target import Good
    good = Good(target, "curve", **curve_client(public))
    good.sock.rcvtimeo = 120000
    good.ping(50)
    good.took.clear()
    storm = Storm(target.endpoint("curve"), public, clients, addresses)
    try:
        storm.go()
        took = weather(good, storm, 1200)
        notes = ""
        if hasattr(target, "state"):
            s = target.state()["curve"]
            notes = f"{s['handshakes_delayed']} waited, {s['handshake_failures']['refused']} turned away"
        print(f"| {name} | {addresses} | {took:.1f} s | {good.worst() * 1000:.0f} ms | {statistics.median(good.took) * 1000:.1f} ms | {notes} |",
              flush=True)
    finally:
        storm.close()
        target.close()


def main():
    from target import Target
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=10000)
    parser.add_argument("--addresses", default="1,64")
    parser.add_argument("--per-turn", default="8")
    parser.add_argument("--max", default="4096", help="max_handshakes")
    parser.add_argument("--backends", default="uring,uv")
    args = parser.parse_args()
    public, secret = zmq.curve_keypair()
    print("| server | addresses | all in after | a client that is in waited at most | in the middle | |\n|---|---|---|---|---|---|", flush=True)
    for addresses in map(int, args.addresses.split(",")):
        measure("libzmq", Theirs(secret), public, args.clients, addresses)
        for backend in args.backends.split(","):
            for per_turn in args.per_turn.split(","):
                target = Target(backend, script="guarded.lua", options=["--max-peers", "100000"], secret=secret.decode(), ivl="30", max=args.max, per_turn=per_turn)
                measure(f"Signalbox, {backend}, {per_turn} a turn", target, public, args.clients, addresses)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7]))
    elif sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
