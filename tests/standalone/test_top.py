"""--status: the pages of the program over HTTP; and `signalbox top`, printed once and in a terminal of its own."""
import fcntl
import http.client
import json
import os
import pty
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import unittest

import zmq

from test_signalbox import PATIENCE, PROGRAM, Runner, call, free_port

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.port }
local other = sb.pull { name = "another", bind = "inproc://another" }
front:on_message(function(msg)
  if msg[1] == "bad" then error("no \\27[31m such thing") end
  return msg[1]
end)
"""


class Base(Runner):
    def start(self, status=None, script=SCRIPT):
        self.port = free_port()
        self.status = status or "127.0.0.1:%d" % free_port()
        running = self.run_script("--status", self.status, self.write(script), "port=%d" % self.port)
        running.wait_line(r"ready backend=\w+ sockets=2$")
        return running

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection(self.status, timeout=PATIENCE)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type"), answer.read().decode()
        finally:
            connection.close()

    def talk(self, *texts):
        client = self.connect(zmq.DEALER, self.port)
        for text in texts:
            client.send(text)
        client.send(b"end")
        while client.recv() != b"end":
            pass
        return client


class Pages(Base):
    def test_page_json_and_metrics(self):
        self.start()
        self.talk(b"one", b"two")
        code, kind, text = self.get("/")
        self.assertEqual((code, kind), (200, "text/html; charset=utf-8"))
        self.assertTrue(text.rstrip().endswith("</script>"))
        code, kind, text = self.get("/?format=json")
        self.assertEqual((code, kind), (200, "application/json"))
        sockets = {s["name"]: s for s in json.loads(text)["sockets"]}
        self.assertEqual(sockets["front"]["messages"], {"in": 3, "out": 3})
        code, kind, text = self.get("/metrics")
        self.assertEqual((code, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertIn('signalbox_messages_total{socket="front",dir="in"} 3\n', text)
        self.assertEqual(self.get("/", "HEAD"), (200, "text/html; charset=utf-8", ""))
        self.assertEqual(self.get("/nothing")[0], 404)
        self.assertEqual(self.get("/", "POST")[0], 405)

    def raw(self, data, pause=0):
        host, port = self.status.split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as c:
            for part in data:
                c.sendall(part)
                time.sleep(pause)
            got = b""
            while True:
                more = c.recv(65536)
                if not more:
                    return got
                got += more

    def test_requests_in_pieces_and_what_is_none(self):
        running = self.start()
        self.assertRegex(self.raw([b"GET /metr", b"ics HTTP/1.1\r\nHost: x\r", b"\n\r\n"], 0.05), rb"^HTTP/1.1 200 OK\r\n")
        self.assertRegex(self.raw([b"\0\1\2\3"]), rb"^HTTP/1.1 400 ")
        self.assertRegex(self.raw([b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 5000]), rb"^HTTP/1.1 400 ")
        self.assertRegex(self.raw([b"GET  \r\n\r\n"]), rb"^HTTP/1.1 400 ")
        host, port = self.status.split(":")
        silent = [socket.create_connection((host, int(port)), PATIENCE) for _ in range(20)]
        for s in silent:
            s.sendall(b"GET /")
        self.assertEqual(self.get("/metrics")[0], 200)
        for s in silent:
            s.close()
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)

    def test_who_says_nothing_does_not_stay(self):
        running = self.start()
        host, port = self.status.split(":")
        silent = [socket.create_connection((host, int(port)), PATIENCE) for _ in range(64)]
        end = time.monotonic() + 30
        while True:  # as many as there may be: others wait until those are sent away
            try:
                if self.get("/metrics")[0] == 200:
                    break
            except OSError:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.5)
        for s in silent:
            s.settimeout(PATIENCE)
            try:
                self.assertEqual(s.recv(1), b"")
            except ConnectionResetError:
                pass
            s.close()
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)

    def test_a_reload_keeps_the_port(self):
        running = self.start()
        for _ in range(3):
            running.process.send_signal(signal.SIGHUP)
            running.wait_line("ready")
            self.assertEqual(self.get("/metrics")[0], 200)

    def test_a_unix_socket(self):
        path = os.path.join(self.folder.name, "status")
        running = self.start("unix:" + path)
        code, out, err = call("top", "--once", "unix:" + path)
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"(?m)^front +ROUTER +0 ")
        running.process.terminate()
        self.assertEqual(running.wait_end(), 0)
        self.assertFalse(os.path.exists(path))

    def test_mistakes(self):
        for value in ("9400", "unix:path", "http://127.0.0.1:9400", ""):
            code, _, err = call("run", "--status", value, "x.lua")
            self.assertEqual(code, 2)
            self.assertIn("must be HOST:PORT such as 127.0.0.1:9400, or unix:/PATH", err)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            running = self.run_script("--status", "127.0.0.1:%d" % other.getsockname()[1], self.write(SCRIPT), "port=%d" % free_port())
            running.wait_line(r"signalbox\.status cannot bind tcp://127\.0\.0\.1:\d+: .*in use")
            self.assertEqual(running.wait_end(), 1)


class Once(Base):
    def test_everything_is_printed(self):
        self.start()
        client = self.talk(b"one", b"bad")
        self.assertTrue(client)
        code, out, err = call("top", "--once", self.status)
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^Signalbox \d+\.\d+\.\d+, (uring|uv), process \d+\n2 sockets, 1 peer, ")
        self.assertRegex(out, r"\nSOCKET +TYPE +PEERS +IN/S +OUT/S +QUEUED +AGE +DROPPED\nanother +PULL .*\nfront +ROUTER +1 +[\d.]+ +[\d.]+ +0 +- +1  script 1\n")
        self.assertRegex(out, r"\nSLOWEST HANDLERS +MEAN +LONGEST\nfront on_message ")
        self.assertRegex(out, r"\nLAST ERRORS\n.*a\.lua:7: no \?\[31m such thing \(front on_message, 1 times, ")
        self.assertRegex(out, r"\nEVENTS\n +\d+ s  front handshake_succeeded tcp://127\.0\.0\.1:\d+")
        self.assertNotIn("\033", out)
        by_peers = call("top", "--once", "--sort", "peers", self.status)[1]
        self.assertLess(by_peers.index("\nfront"), by_peers.index("\nanother"))

    def test_what_is_no_status_is_said(self):
        self.start()
        answers = {b"/html": b"HTTP/1.0 200 OK\r\n\r\n<html>\n", b"/json": b'HTTP/1.0 200 OK\r\n\r\n{"a": [1, 2]}',
                   b"/cut": b'HTTP/1.0 200 OK\r\n\r\n{"sockets": [{"name": "x', b"/gone": b"HTTP/1.0 404 Not Found\r\n\r\n", b"/odd": b"\x1b]0;x\x07 hello"}
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def serve():
            for _ in answers:
                c, _ = server.accept()
                asked = c.recv(4096).split(b" ")[1].split(b"?")[0]
                c.sendall(answers[asked])
                c.close()
        thread = threading.Thread(target=serve)
        thread.start()
        url = "http://127.0.0.1:%d" % server.getsockname()[1]
        for path, pattern in (("/html", r'the answer is no status but begins with "<html>": the path of a signalbox_status location is wanted'),
                              ("/json", "the answer is JSON, but no status of a Signalbox"), ("/cut", "or not all of it came"),
                              ("/gone", "the server answers 404 Not Found: the path of"), ("/odd", "what answers speaks no HTTP")):
            code, out, err = call("top", "--once", url + path)
            self.assertEqual((code, out), (1, ""))
            self.assertRegex(err, "^signalbox: top: .*" + pattern)
        thread.join()
        for words, code, pattern in ((["127.0.0.1:%d" % free_port()], 1, r"cannot connect to 127\.0\.0\.1:\d+: Connection refused"),
                                     (["unix:/nowhere"], 1, "cannot connect to /nowhere: No such file"),
                                     (["https://127.0.0.1/"], 2, r"'https://127\.0\.0\.1/' is no address: http://HOST"),
                                     ([], 2, "an address is missing\nusage: signalbox top"),
                                     (["--sort", "quueed", self.status], 2, "must be name, peers, in, out, queued or dropped, did you mean 'queued'"),
                                     (["--twice", self.status], 2, "unknown option '--twice'")):
            got, out, err = call("top", "--once", *words)
            self.assertEqual((got, out), (code, ""), err)
            self.assertRegex(err, pattern)


class Damaged(Base):
    def test_whatever_a_server_sends_it_is_shown_or_refused(self):
        self.start()
        self.talk(b"one", b"bad")
        whole = self.get("/?format=json")[2].encode()
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        chance = random.Random(7)
        rounds = 150

        def damage():
            data = bytearray(whole)
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(data))
                kind = chance.randrange(4)
                if kind == 0:
                    data[at] = chance.choice(b'{}[]",:\\u0\xff\x1b-9e')
                elif kind == 1:
                    del data[at:at + chance.randrange(40)]
                elif kind == 2:
                    data[at:at] = chance.choice((b"[" * 100, b'{"a":' * 40, b"1e999", b'"\\ud800\\u0000"', b"\\", b"9" * 400))
                else:
                    del data[at:]
                    break
                if not data:
                    break
            return bytes(data)

        def serve():
            for _ in range(rounds):
                c, _ = server.accept()
                c.recv(4096)
                c.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + damage())
                c.close()
        thread = threading.Thread(target=serve)
        thread.start()
        codes = set()
        for _ in range(rounds):
            code, out, err = call("top", "--once", "127.0.0.1:%d" % server.getsockname()[1])
            codes.add(code)
            self.assertIn(code, (0, 1), err)
            self.assertNotIn("\033", out + err)
            self.assertEqual(code == 1, bool(err), err)
        thread.join()
        self.assertEqual(codes, {0, 1})


class Screen:
    """As much of a terminal as top needs."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.clear()
        self.rest = b""
        self.alternate = False

    def clear(self):
        self.lines = [[" "] * self.width for _ in range(self.height)]
        self.x = self.y = 0

    def feed(self, data):
        data = self.rest + data
        self.rest = b""
        at = 0
        for m in re.finditer(rb"\x1b\[([?\d;]*)([A-Za-z])|[\r\n]|[^\x1b\r\n]", data):
            if m.start() != at:
                break
            at = m.end()
            self.one(m.group(), m.group(1), m.group(2))
        self.rest = data[at:]

    def one(self, whole, number, letter):
        if letter is None and whole == b"\r":
            self.x = 0
        elif letter is None and whole == b"\n":
            self.y += 1
            assert self.y < self.height, "it would scroll"
        elif letter is None:
            assert self.x < self.width, "a line is longer than the screen: %r" % "".join(self.lines[self.y])
            self.lines[self.y][self.x] = whole.decode("latin-1")
            self.x += 1
        elif letter == b"H":
            self.x = self.y = 0
        elif letter == b"J":
            self.clear()
        elif letter == b"K":
            self.lines[self.y][self.x:] = [" "] * (self.width - self.x)
        elif letter in b"hl" and number == b"?1049":
            self.alternate = letter == b"h"

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)


class Terminal(Base):
    def open(self, width, height):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.addCleanup(os.close, self.master)
        self.addCleanup(os.close, slave)
        self.screen = Screen(width, height)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.top = subprocess.Popen([PROGRAM, "top", self.status], stdin=slave, stdout=slave, stderr=subprocess.PIPE)
        self.addCleanup(self.top.stderr.close)
        self.addCleanup(self.top.wait)
        self.addCleanup(self.top.kill)

    def wait_screen(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen.text(), re.M):
            self.assertLess(time.monotonic(), end, "no %r on the screen:\n%s" % (pattern, self.screen.text()))
            if select.select([self.master], [], [], 0.1)[0]:
                self.screen.feed(os.read(self.master, 65536))
        self.read_rest()
        return self.screen.text()

    def read_rest(self):
        """A terminal hands a picture over in pieces."""
        while select.select([self.master], [], [], 0.1)[0]:
            self.screen.feed(os.read(self.master, 65536))

    def press(self, keys):
        os.write(self.master, keys)

    def resize(self, width, height):
        self.read_rest()
        self.screen = Screen(width, height)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.top.send_signal(signal.SIGWINCH)

    def wait_gone(self):
        self.assertEqual(self.top.wait(PATIENCE), 0)
        self.read_rest()
        self.assertFalse(self.screen.alternate, "the screen of before is not back")
        self.assertTrue(termios.tcgetattr(self.slave)[3] & termios.ECHO, "the terminal does not echo")

    def test_rates_keys_resize_and_q(self):
        self.start()
        self.talk(b"bad")
        self.open(80, 24)
        text = self.wait_screen(r"^another +PULL.*\nfront +ROUTER")
        self.assertTrue(self.screen.alternate)
        self.assertIn("SOCKET*", text)
        self.assertRegex(text, r"\nq quit   left, right: sort by.*$")
        self.assertRegex(text, r"\nLAST ERRORS\n")
        client = self.connect(zmq.DEALER, self.port)
        stop = threading.Event()

        def chat():
            while not stop.is_set():
                client.send(b"x")
                client.recv()
                time.sleep(0.01)
        thread = threading.Thread(target=chat)
        thread.start()
        self.wait_screen(r"^front +ROUTER +1 +[1-9]\d* +[1-9]\d* ")
        stop.set()
        thread.join()
        self.press(b"\033[C")
        self.wait_screen(r"PEERS\*[^\n]*\nfront .*\nanother ")
        self.press(b"r")
        self.wait_screen(r"PEERS\*[^\n]*\nanother .*\nfront ")
        self.press(b"\033OD")
        self.wait_screen(r"SOCKET\*[^\n]*\nfront .*\nanother ")
        self.resize(50, 12)
        text = self.wait_screen(r"^front +ROUTER")
        self.assertEqual(len(text.split("\n")), 12)
        self.resize(132, 40)
        self.wait_screen(r"^front .*  script 1$")
        self.press(b" ")
        self.wait_screen("^paused$")
        self.press(b"q")
        self.wait_gone()

    def test_many_sockets_scroll_and_a_server_that_goes_is_said(self):
        script = 'local sb = require "signalbox"\nfor i = 1, 60 do sb.pull { name = ("s%02d"):format(i), bind = "inproc://" .. i } end'
        self.port = 0
        self.status = "127.0.0.1:%d" % free_port()
        running = self.run_script("--status", self.status, self.write(script))
        running.wait_line("ready")
        self.open(80, 24)
        self.wait_screen(r"^s01 [^$]*and \d+ more below")
        self.press(b"\033[B\033[B")
        self.wait_screen(r"DROPPED\ns03 ")
        self.press(b"\033[A")
        self.wait_screen(r"DROPPED\ns02 ")
        running.process.kill()
        self.wait_screen(r"^cannot connect to 127\.0\.0\.1:\d+: Connection refused$")
        self.assertRegex(self.screen.text(), r"s02 ")
        self.top.terminate()
        self.wait_gone()


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        print("skipped: no", PROGRAM)
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
