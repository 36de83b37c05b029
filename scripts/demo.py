#!/usr/bin/python3
"""The demo: a real nginx with the Signalbox module and examples/broker.lua, between real libzmq clients and workers.

Runs twice: with what the kernel offers (io_uring), and with io_uring denied (libuv). Prints who sent what and where it
arrived, checks every arrival, and ends everything it started. The exit code tells.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ports import free_ports

try:
    import zmq
except ImportError:
    sys.exit("python3-zmq is missing: run scripts/deps.sh")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOCKETS = ["front", "eu", "us", "dlq", "feed", "ticks"]

CONF = """
{user}
daemon off;
worker_processes 2;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log notice;
load_module {build}/ngx_signalbox_module.so;
events {{ worker_connections 256; }}
signalbox {{
    script  {script} {args};
    backend auto;
    worker  0;
    linger  2s;
}}
"""


class Failed(Exception):
    pass


def until(condition, seconds, what):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise Failed(f"not within {seconds} s: {what}")


def text(frames):
    return " | ".join(f.decode(errors="replace") or "''" for f in frames)


class Stage:
    """nginx and everybody who talks to it."""

    def __init__(self, build, denied):
        self.build, self.denied = build, denied
        self.prefix = tempfile.mkdtemp(prefix="signalbox-demo-")
        self.at = {n: f"tcp://127.0.0.1:{p}" for n, p in zip(SOCKETS, free_ports(len(SOCKETS)))}
        self.context = zmq.Context()
        self.nginx = None
        self.wrong = []

    # ---- nginx ----

    def start(self):
        os.mkdir(os.path.join(self.prefix, "logs"))
        conf = os.path.join(self.prefix, "nginx.conf")
        args = " ".join(f"{n}={e}" for n, e in self.at.items())
        with open(conf, "w") as f:
            f.write(CONF.format(user="user root;" if os.geteuid() == 0 else "", prefix=self.prefix, build=self.build,
                                script=os.path.join(ROOT, "examples", "broker.lua"), args=args))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        deny = [os.path.join(self.build, "deny_uring")] if self.denied else []
        self.stderr = open(os.path.join(self.prefix, "stderr"), "w+")
        self.nginx = subprocess.Popen(deny + [program, "-p", self.prefix, "-c", conf, "-e", f"{self.prefix}/error.log"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.stderr)
        until(lambda: "signalbox: ready" in self.log() or self.nginx.poll() is not None, 10, "nginx is ready")
        if self.nginx.poll() is not None:
            self.stderr.seek(0)
            raise Failed("nginx did not start:\n" + self.stderr.read() + self.log())

    def log(self):
        try:
            with open(os.path.join(self.prefix, "error.log")) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def notices(self):
        """Our own notice lines, without nginx's time and process numbers."""
        return [line.split("signalbox: ", 1)[1] for line in self.log().splitlines() if "signalbox: " in line]

    def stop(self):
        if self.nginx is None:
            return
        if self.nginx.poll() is None:
            self.nginx.send_signal(signal.SIGQUIT)
        try:
            code = self.nginx.wait(10)
        except subprocess.TimeoutExpired:
            self.nginx.kill()
            self.nginx.wait()
            raise Failed("nginx did not end on quit") from None
        bad = [line for line in self.log().splitlines() if re.search(r"\[(alert|emerg|crit)\]", line)]
        if code != 0 or bad:
            raise Failed(f"nginx ended with {code}\n" + "\n".join(bad))

    def clean(self):
        self.context.destroy(0)
        if self.nginx is not None and self.nginx.poll() is None:
            self.nginx.kill()
            self.nginx.wait()
        if self.nginx is not None:
            self.stderr.close()
        shutil.rmtree(self.prefix, ignore_errors=True)

    # ---- people ----

    def join(self, kind, where, bind=False, **options):
        s = self.context.socket(getattr(zmq, kind))
        s.linger = 0
        s.rcvtimeo = s.sndtimeo = 5000
        for option, value in options.items():
            s.set(getattr(zmq, option.upper()), value)
        if bind:
            s.bind(self.at[where])
        else:
            s.connect(self.at[where])
        return s

    def say(self, who, arrow, where, what):
        print(f"    {who:>9} {arrow} {where:<6} {what}", flush=True)

    def send(self, sock, who, where, *frames):
        self.say(who, "->", where, " | ".join(frames))
        sock.send_multipart([f.encode() for f in frames])

    def check(self, right, what):
        if not right:
            self.wrong.append(what)
            print(f"  WRONG: {what}", flush=True)

    def nothing(self, sock, who, what):
        sock.rcvtimeo = 300
        try:
            got = sock.recv_multipart()
            self.check(False, f"{who} got {text(got)}: {what}")
        except zmq.Again:
            self.say(who, "  ", "", f"(nothing: {what})")
        sock.rcvtimeo = 5000


def serve(stage, workers, expected):
    """Lets whichever worker gets it take each of `expected` messages and answer. Returns who took what."""
    poller, took = zmq.Poller(), {name: [] for name in workers}
    for w in workers.values():
        poller.register(w, zmq.POLLIN)
    for _ in range(expected):
        ready = dict(poller.poll(5000))
        name = next((n for n, w in workers.items() if w in ready), None)
        if name is None:
            raise Failed("a worker got nothing")
        frames = workers[name].recv_multipart()
        client, delimiter, body = frames[0], frames[1], frames[2:]
        stage.check(delimiter == b"", "the delimiter rides along")
        took[name].append(body[0].decode())
        stage.say(name, "<-", name[:2], text(body))
        workers[name].send_multipart([client, b"", b"done by " + name.encode(), body[0]])
    return took


def act_routing(stage):
    print("  1. ROUTER to two pools of workers, by content")
    workers = {n: stage.join("DEALER", n[:2]) for n in ("eu-1", "eu-2", "us-1", "us-2")}
    clients = {n: stage.join("REQ", "front", routing_id=n.encode()) for n in ("anna", "ben", "carl", "dora")}
    time.sleep(0.3)
    orders = {"anna": "order.eu.1", "ben": "order.eu.2", "carl": "order.us.1", "dora": "order.us.2"}
    for name, topic in orders.items():
        stage.send(clients[name], name, "front", topic, f"umbrellas for {name}")
    took = serve(stage, workers, len(orders))
    for name, topic in orders.items():
        reply = clients[name].recv_multipart()
        stage.say(name, "<-", "front", text(reply))
        stage.check(reply[1] == topic.encode(), f"{name} got the answer to {topic}")
    for name, topics in took.items():
        stage.check(all(t.startswith(f"order.{name[:2]}.") for t in topics), f"{name} got only its region's orders")
        stage.check(len(topics) == 1, f"{name} got its share: {topics}")
    return clients


def act_subscriptions(stage):
    print("  2. PUB/SUB: one subscription refused, one rewritten, then a JSON transformation on the way")
    source = stage.join("PUB", "ticks", bind=True)
    everything = stage.join("SUB", "feed")
    old = stage.join("SUB", "feed")
    new = stage.join("SUB", "feed")
    everything.subscribe(b"")
    stage.say("eve", "->", "feed", "subscribes to '' (everything)")
    old.subscribe(b"legacy.tick.")
    stage.say("old", "->", "feed", "subscribes to legacy.tick.")
    new.subscribe(b"v2.tick.EUR")
    stage.say("new", "->", "feed", "subscribes to v2.tick.EUR")
    wake(source, new)
    stage.send(source, "exchange", "ticks", "tick.EURUSD", json.dumps({"bid": 1.0842}))
    stage.send(source, "exchange", "ticks", "tick.USDJPY", json.dumps({"bid": 149.3}))
    # The script rewrote what old asked for; what arrives bears the name old knows.
    for who, sub, topics in (("old", old, ["legacy.tick.EURUSD", "legacy.tick.USDJPY"]), ("new", new, ["v2.tick.EURUSD"])):
        for topic in topics:
            got = receive_tick(sub)
            stage.say(who, "<-", "feed", text(got))
            body = json.loads(got[-1])
            stage.check(got[0].decode() == topic, f"{who} got {topic}")
            stage.check("bid" in body and "ts" in body, f"the tick of {who} carries the price and the time stamp")
    stage.nothing(new, "new", "USDJPY was not asked for")
    stage.nothing(everything, "eve", "the script denies the subscription to everything")
    return source


def wake(source, sub):
    """A publisher that binds hears of subscriptions later: send a probe until one comes through."""
    sub.rcvtimeo = 50
    for _ in range(200):
        source.send_multipart([b"tick.EURprobe", b"{}"])
        try:
            sub.recv_multipart()
            break
        except zmq.Again:
            continue
    else:
        raise Failed("no tick came through")
    sub.rcvtimeo = 300
    try:
        while True:
            sub.recv_multipart()
    except zmq.Again:
        sub.rcvtimeo = 5000


def receive_tick(sub):
    """The next that is not a probe."""
    while True:
        got = sub.recv_multipart()
        if b"EURprobe" not in got[0]:
            return got


def act_dead_letters(stage, clients, source):
    print("  3. Dead letters: no route, and a transformation that fails")
    letters = stage.join("PULL", "dlq", bind=True)
    stage.send(clients["anna"], "anna", "front", "parcel.7", "where does this go?")
    stage.send(source, "exchange", "ticks", "tick.EURUSD", "this is not JSON")
    seen = {}
    for _ in range(2):
        frames = letters.recv_multipart()
        stage.say("clerk", "<-", "dlq", text(frames))
        seen[json.loads(frames[0])["socket"]] = (json.loads(frames[0]), frames)
    stage.check(set(seen) == {"front", "ticks"}, "one dead letter from front, one from ticks")
    if "front" in seen:
        stage.check(b"parcel.7" in seen["front"][1], "the order without a route is there, whole")
    if "ticks" in seen:
        stage.check(b"this is not JSON" in seen["ticks"][1], "the original of what could not be transformed is there")
        stage.check(seen["ticks"][0].get("reason"), "it says why")


def perform(build, denied):
    stage = Stage(build, denied)
    try:
        stage.start()
        backend = re.search(r"ready backend=(\w+)", stage.log())
        name = backend.group(1) if backend else "?"
        print(f"\nnginx with Signalbox, backend {name}" + (", io_uring denied by seccomp" if denied else ""))
        for line in stage.notices():
            print(f"    nginx log: {line}")
        if denied:
            stage.check(name == "uv", "without io_uring the backend is uv")
            stage.check(any("io_uring" in line for line in stage.notices()), "the log says why it is not io_uring")
        clients = act_routing(stage)
        source = act_subscriptions(stage)
        act_dead_letters(stage, clients, source)
        stage.stop()
        print("  nginx has quit: " + (stage.notices() or ["without a word"])[-1])
    except (Failed, zmq.ZMQError, OSError) as e:
        stage.wrong.append(str(e))
        print(f"  WRONG: {e}\n{stage.log()[-3000:]}", flush=True)
    finally:
        stage.clean()
    return stage.wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--once", choices=["auto", "denied"], help="only one of the two runs")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    for name in ("ngx_signalbox_module.so", "libsignalbox.so", "deny_uring"):
        if not os.path.exists(os.path.join(build, name)):
            sys.exit(f"{name} is not in {build}: build first (make)")
    runs = {"auto": [False], "denied": [True], None: [False, True]}[args.once]
    wrong = [w for denied in runs for w in perform(build, denied)]
    print(f"\n{'everything arrived where it should' if not wrong else f'{len(wrong)} things went wrong'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
