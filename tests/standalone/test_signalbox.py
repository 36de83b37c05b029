"""The signalbox program from outside: its command line, its life, its reload."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import zmq
from zmq.utils.monitor import recv_monitor_message

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from ports import free_port  # noqa: E402

BUILD = os.path.abspath(os.environ.get("SB_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build")))
PROGRAM = os.path.join(BUILD, "signalbox")
PATIENCE = 20.0

ECHO = """
local sb = require "signalbox"
local cfg = ...
local rep = sb.rep { name = "echo", bind = "tcp://127.0.0.1:" .. (cfg.port or 5555) }
rep:on_message(function(msg) return "%s" .. msg[1] end)
"""

BUFFER = """
local sb = require "signalbox"
local cfg = ...
local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from }
local to = sb.push { name = "to", bind = "tcp://127.0.0.1:" .. cfg.to, sndhwm = 0 }
local n = 0
from:pipe(to, function(msg)
  n = n + 1
  if n == tonumber(cfg.expect) then sb.log.notice("have all") end
  return msg
end)
"""

ROUTES = """
local sb = require "signalbox"
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:5555" }
local eu = sb.dealer { name = "eu", bind = { "ipc:///tmp/signalbox-eu", "inproc://eu" } }
front:route {
  { frame = 1, prefix = "order.eu.", to = eu },
  { frame = 1, equals = "PING", reply = "PONG" },
}
eu:route { { to = front } }
"""


def call(*args):
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


class Running:
    """One `signalbox run`; every line of its stderr is kept."""

    def __init__(self, *args):
        self.lines = []
        self.seen = 0
        self.process = subprocess.Popen([PROGRAM, "run", *args], stderr=subprocess.PIPE, text=True)
        self.arrived = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.arrived:
                self.lines.append(line.rstrip("\n"))
                self.arrived.notify_all()
        with self.arrived:
            self.lines.append("(end)")
            self.arrived.notify_all()

    def wait_line(self, pattern):
        """The match of the first line after the last one waited for."""
        end = time.monotonic() + PATIENCE
        with self.arrived:
            while True:
                while self.seen < len(self.lines):
                    match = re.search(pattern, self.lines[self.seen])
                    self.seen += 1
                    if match:
                        return match
                if self.lines and self.lines[-1] == "(end)" or time.monotonic() > end:
                    raise AssertionError("no line %r in:\n%s" % (pattern, "\n".join(self.lines)))
                self.arrived.wait(1)

    def wait_end(self):
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stderr.close()


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        code, out, _ = call("--help")
        self.assertEqual(code, 0)
        for command in ("run", "check", "route"):
            self.assertIn("signalbox " + command, out)
        self.assertEqual(call("run", "--help")[0], 0)
        self.assertRegex(call("--version")[1], r"^signalbox \d+\.\d+\.\d+\n$")

    def test_mistakes_are_named_with_a_suggestion_and_exit_2(self):
        for args, pattern in (
                ([], r"usage: signalbox COMMAND"),
                (["chekc", "a.lua"], r"unknown command 'chekc', did you mean 'check'\?"),
                (["frobnicate"], r"unknown command 'frobnicate'\n"),
                (["run"], r"run: FILE\.lua is missing\nusage: signalbox run"),
                (["run", "--bakend", "uv", "a.lua"], r"unknown option '--bakend', did you mean '--backend'\?\nusage"),
                (["run", "--backend", "epoll", "a.lua"], r"--backend 'epoll': must be auto, uring or uv\nusage"),
                (["run", "--memory", "lots", "a.lua"], r"--memory 'lots': must be a size"),
                (["run", "--linger=soon", "a.lua"], r"--linger 'soon': must be a time"),
                (["run", "--max-peers"], r"--max-peers '': must be a number"),
                (["run", "a.lua", "region"], r"script argument 'region' must be key=value"),
                (["route", "a.lua", "front"], r"an argument is missing\nusage: signalbox route")):
            with self.subTest(args=args):
                code, _, err = call(*args)
                self.assertEqual(code, 2, err)
                self.assertRegex(err, pattern)


class Scripts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sbs")
        self.addCleanup(self.folder.cleanup)

    def write(self, text, name="a.lua"):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as f:
            f.write(text)
        return path


class Check(Scripts):
    def test_keygen_makes_pairs_and_keeps_what_is_there(self):
        printed = subprocess.run([PROGRAM, "keygen"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        public, secret = re.findall(r'-key = "(.{40})"', printed.stdout)
        self.assertEqual(zmq.curve_public(secret.encode()).decode(), public)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            for code in (0, 1):
                done = subprocess.run([PROGRAM, "keygen", "--out", path, "--name", "alice"], capture_output=True,
                                      text=True, timeout=PATIENCE)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual(done.stdout, "")
            self.assertIn("File exists", done.stderr)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(path, encoding="utf-8") as both, open(path + ".pub", encoding="utf-8") as public:
                text, shown = both.read(), public.read()
            self.assertIn('name = "alice"', shown)
            self.assertNotIn("secret", shown)
            self.assertEqual(re.search(r'public-key = "(.{40})"', text)[1], re.search(r'public-key = "(.{40})"', shown)[1])
        for words in (["--out"], ["--bits", "9"], ["--name", "x" * 64]):
            self.assertEqual(subprocess.run([PROGRAM, "keygen"] + words, capture_output=True, timeout=PATIENCE).returncode, 2)

    def test_check_prints_sockets_binds_and_routes(self):
        code, out, err = call("check", self.write(ROUTES))
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"socket front ROUTER\n  bind tcp://127\.0\.0\.1:5555\n  row 1: .*order\.eu\..*eu")
        self.assertRegex(out, r"socket eu DEALER\n  bind ipc:///tmp/signalbox-eu\n  bind inproc://eu\n")
        self.assertRegex(out, r"a\.lua: ok, 2 sockets\n$")
        self.assertFalse(os.path.exists("/tmp/signalbox-eu"))

    def test_check_tells_file_and_line_and_exits_1(self):
        for text, pattern in (("local x\nlocal = 3\n", r"a\.lua:2: .*near '='"),
                              ('require("signalbox").pull { rcvhvm = 1 }\n', r"a\.lua:1: .*rcvhvm.*rcvhwm")):
            code, _, err = call("check", self.write(text))
            self.assertEqual(code, 1)
            self.assertRegex(err, pattern)
        self.assertRegex(call("check", "/nowhere.lua")[2], r"cannot read /nowhere\.lua: No such file")

    def test_route_tells_the_row(self):
        path = self.write(ROUTES)
        code, out, _ = call("route", path, "front", "order.eu.7")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"row 1: .*order\.eu\.")
        self.assertRegex(call("route", path, "front", "PING")[1], r"row 2: .*PONG")
        code, out, _ = call("route", path, "front", "order.us.7")
        self.assertEqual(code, 1)
        self.assertRegex(out, "no row matches")
        self.assertRegex(call("route", path, "bck", "x")[2], "no socket is named 'bck'")


class Runner(Scripts):
    """Runs scripts and talks to them."""

    def setUp(self):
        super().setUp()
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)

    def run_script(self, *args):
        running = Running(*args)
        self.addCleanup(running.end)
        return running

    def connect(self, kind, port, **options):
        sock = self.context.socket(kind)
        sock.linger = 0
        sock.rcvtimeo = sock.sndtimeo = int(PATIENCE * 1000)
        for name, value in options.items():
            setattr(sock, name, value)
        sock.connect("tcp://127.0.0.1:%d" % port)
        return sock

    def request(self, port, text):
        for _ in range(20):
            client = self.connect(zmq.REQ, port, rcvtimeo=1000)
            client.send(text)
            try:
                return client.recv()
            except zmq.Again:
                continue
            finally:
                client.close()
        self.fail("no answer")


class Run(Runner):
    def test_ready_is_said_when_every_bind_is_done(self):
        for backend in ("auto", "uv"):
            port = free_port()
            running = self.run_script("--backend", backend, self.write(ECHO % ""), "port=%d" % port)
            ready = running.wait_line(r"^signalbox: ready backend=(uring|uv) sockets=1$")
            if backend != "auto":
                self.assertEqual(ready.group(1), backend)
            socket.create_connection(("127.0.0.1", port), 5).close()
            self.assertEqual(self.request(port, b"hi"), b"hi")
            running.process.terminate()
            running.wait_line(r"^signalbox: drained, 0 messages unsent, 0 incomplete$")
            self.assertEqual(running.wait_end(), 0)

    def test_verbose_tells_who_comes_and_goes(self):
        port = free_port()
        running = self.run_script("--verbose", self.write(ECHO % ""), "port=%d" % port)
        running.wait_line("ready")
        self.assertEqual(self.request(port, b"x"), b"x")
        for event in ("accepted", "handshake_succeeded", "disconnected: .*"):
            running.wait_line(r"^signalbox: debug: %s, socket: echo, peer: tcp://127\.0\.0\.1:\d+, connection: \d+, endpoint: " % event)

    def test_an_access_log_goes_on_over_reloads_and_renames(self):
        port = free_port()
        path = os.path.join(self.folder.name, "access.log")
        running = self.run_script("--access-log", path, "--access-format", "$signalbox_socket $signalbox_topic $signalbox_action",
                                  self.write(ECHO % ""), "port=%d" % port)
        running.wait_line("ready")

        def lines(name):
            with open(name, encoding="utf-8") as f:
                return f.read().splitlines()
        self.assertEqual(self.request(port, b"one"), b"one")
        end = time.monotonic() + PATIENCE
        while not lines(path):
            self.assertLess(time.monotonic(), end, "nothing is written while it runs")
            time.sleep(0.05)
        running.process.send_signal(signal.SIGHUP)
        running.wait_line("ready")
        self.assertEqual(self.request(port, b"two"), b"two")
        os.rename(path, path + ".old")
        running.process.send_signal(signal.SIGUSR1)
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), end, "no new file")
            time.sleep(0.01)
        self.assertEqual(self.request(port, b"three"), b"three")
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)
        self.assertEqual(lines(path + ".old"), ["echo one reply", "echo two reply"])
        self.assertEqual(lines(path), ["echo three reply"])
        for words, pattern in ((["--access-log", "/nowhere/x"], "access log /nowhere/x: No such file"),
                               (["--access-log", path, "--access-format", "$signalbox_topci"], r"--access-format: unknown variable.*did you mean")):
            code, _, err = call("run", *words, self.write(ECHO % ""))
            self.assertEqual(code, 1)
            self.assertRegex(err, pattern)

    def test_a_port_in_use_is_an_error(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            running = self.run_script(self.write(ECHO % ""), "port=%d" % other.getsockname()[1])
            running.wait_line(r"echo.*tcp://127\.0\.0\.1:\d+.*in use")
            self.assertEqual(running.wait_end(), 1)

    def fill(self, count, *options):
        source, target = free_port(), free_port()
        running = self.run_script(*options, self.write(BUFFER), "from=%d" % source, "to=%d" % target,
                                  "expect=%d" % count)
        running.wait_line("ready")
        out = self.connect(zmq.PULL, target, rcvhwm=1, rcvbuf=4096)
        into = self.connect(zmq.PUSH, source)
        for i in range(count):
            into.send(b"%08d" % i + b"." * 1016)
        running.wait_line("have all")
        return running, out

    def test_sigterm_sends_everything_that_was_accepted(self):
        running, out = self.fill(5000, "--linger", "20s")
        running.process.terminate()
        for i in range(5000):
            self.assertEqual(out.recv()[:8], b"%08d" % i)
        running.wait_line(r"drained, 0 messages unsent")
        self.assertEqual(running.wait_end(), 0)

    def test_a_second_signal_ends_at_once(self):
        running, _ = self.fill(20000, "--linger", "60s")
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # signals of one kind merge: they must come one after the other
        running.process.send_signal(signal.SIGTERM)
        self.assertGreater(int(running.wait_line(r"ended, (\d+) messages unsent").group(1)), 0)
        self.assertEqual(running.wait_end(), 1)

    def test_sighup_loads_the_new_script_on_the_same_port(self):
        port = free_port()
        path = self.write(ECHO % "old ")
        running = self.run_script(path, "port=%d" % port)
        running.wait_line("ready")
        self.assertEqual(self.request(port, b"x"), b"old x")
        self.write(ECHO % "new ")
        running.process.send_signal(signal.SIGHUP)
        running.wait_line("ready")
        running.wait_line("drained, 0")
        for _ in range(10):
            self.assertEqual(self.request(port, b"x"), b"new x")
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)

    def test_sighup_with_a_broken_script_keeps_the_old_one(self):
        port = free_port()
        path = self.write(ECHO % "old ")
        running = self.run_script(path, "port=%d" % port)
        running.wait_line("ready")
        self.write("local = 1")
        running.process.send_signal(signal.SIGHUP)
        running.wait_line(r"a\.lua:1: ")
        running.wait_line("the old script goes on")
        self.assertEqual(self.request(port, b"x"), b"old x")

    def test_what_the_old_script_held_leaves_beside_the_new_one(self):
        running, out = self.fill(5000, "--linger", "20s")
        running.process.send_signal(signal.SIGHUP)
        running.wait_line("ready")
        for i in range(5000):
            self.assertEqual(out.recv()[:8], b"%08d" % i)
        running.wait_line("drained, 0 messages unsent")
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)

    def connections(self, *options):
        """What a PUSH sees of a script that connects and is reloaded: the order of its peers' coming and going."""
        port = free_port()
        push = self.context.socket(zmq.PUSH)
        monitor = push.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        push.bind("tcp://127.0.0.1:%d" % port)
        script = self.write('require("signalbox").pull { connect = "tcp://127.0.0.1:%d" }' % port)
        running = self.run_script(*options, script)
        running.wait_line("ready")
        events = []

        def next_event():
            self.assertTrue(monitor.poll(int(PATIENCE * 1000)), events)
            events.append("-" if recv_monitor_message(monitor)["event"] == zmq.EVENT_DISCONNECTED else "+")
        next_event()
        running.process.send_signal(signal.SIGHUP)
        next_event()
        next_event()
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)
        push.close(0)
        return "".join(events)

    def test_a_reload_connects_when_the_old_script_has_gone(self):
        self.assertEqual(self.connections(), "+-+")

    def test_a_reload_connects_at_once_where_it_shall_overlap(self):
        self.assertIn(self.connections("--takeover", "overlap"), ("++-", "+-+"))

    def test_shared_dictionaries_are_there_after_a_reload(self):
        port = free_port()
        running = self.run_script(self.write("""
local sb = require "signalbox"
local cfg = ...
local state = sb.shared("state")
state:incr("starts", 1, 0)
local rep = sb.rep { bind = "tcp://127.0.0.1:" .. cfg.port }
rep:on_message(function(msg) return tostring(state:get("starts")) end)
"""), "port=%d" % port)
        for n in (b"1", b"2", b"3"):
            running.wait_line("ready")
            if n != b"1":
                running.wait_line("drained")
            self.assertEqual(self.request(port, b"x"), n)
            running.process.send_signal(signal.SIGHUP)

    def test_reloading_again_and_again_refuses_nobody(self):
        port = free_port()
        running = self.run_script(self.write(ECHO % ""), "port=%d" % port)
        running.wait_line("ready")
        for _ in range(10):
            running.process.send_signal(signal.SIGHUP)
            socket.create_connection(("127.0.0.1", port), 5).close()
            running.wait_line("ready")
            self.assertEqual(self.request(port, b"x"), b"x")
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)

    def test_ipc_paths_go_when_the_program_ends(self):
        path = os.path.join(self.folder.name, "s")
        script = 'require("signalbox").pull { bind = "ipc://%s" }\n' % path
        running = self.run_script(self.write(script))
        running.wait_line("ready")
        self.assertTrue(os.path.exists(path))
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        print("skipped: no", PROGRAM)
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
