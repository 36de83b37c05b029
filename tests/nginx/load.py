"""Load that counts at both ends, while something is done to the server in between."""
import os
import re
import select
import socket
import sys
import threading
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

import harness

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
import zmtp  # noqa: E402

# One flow between sockets that bind, one between sockets that connect, and requests to workers.
SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local function at(port) return "tcp://127.0.0.1:" .. port end
local bound_in = sb.pull { name = "bound_in", bind = at(cfg.bound_in) }
local bound_out = sb.push { name = "bound_out", bind = at(cfg.bound_out) }
bound_in:pipe(bound_out)
local far_in = sb.pull { name = "far_in", connect = at(cfg.far_in) }
local far_out = sb.push { name = "far_out", connect = at(cfg.far_out) }
far_in:pipe(far_out, function(msg) msg:insert(1, "%s") return msg end)
local front = sb.router { name = "front", bind = at(cfg.front) }
local back = sb.dealer { name = "back", bind = at(cfg.back) }
front:route { { to = back } }
back:route { { to = front } }
"""
PORTS = ("bound_in", "bound_out", "far_in", "far_out", "front", "back")
BURST, REST = 20, 0.001  # messages, seconds: enough to keep something under way all the time


class Watch:
    """How many connections a libzmq socket has at a time."""

    def __init__(self, sock):
        self.monitor = sock.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self.now = self.most = self.all = 0

    def look(self):
        while self.monitor.poll(0):
            if recv_monitor_message(self.monitor)["event"] == zmq.EVENT_DISCONNECTED:
                self.now -= 1
            else:
                self.all += 1
                self.now += 1
                self.most = max(self.most, self.now)


class Source:
    """A PUSH that binds, made of plain sockets: libzmq's drops what it has queued for a peer that goes. Sends to one peer
    until that one ends its side, and what was written whole by then counts as sent."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.peers, self.most, self.all = [], 0, 0

    @property
    def now(self):
        return len(self.peers)

    def look(self):
        while select.select([self.listener], [], [], 0)[0]:
            peer = zmtp.Raw(self.listener.accept()[0])
            peer.shake("PUSH")
            self.peers.append(peer)
            self.all += 1
            self.most = max(self.most, len(self.peers))
        for peer in list(self.peers):
            if select.select([peer.sock], [], [], 0)[0] and self.is_over(peer):
                self.forget(peer)

    def is_over(self, peer):
        try:
            return not peer.sock.recv(4096)
        except ConnectionError:
            return True

    def forget(self, peer):
        self.peers.remove(peer)
        peer.close()

    def send(self, messages):
        """False: there is nobody to send to."""
        self.look()
        if not self.peers:
            return False
        try:
            self.peers[0].send(b"".join(map(zmtp.message, messages)))
        except ConnectionError:
            self.forget(self.peers[0])
        return True

    def close(self):
        for peer in self.peers:
            peer.close()
        self.listener.close()


class Load:
    """Everything runs from start() to stop(); then the counts are final."""

    def __init__(self, test, clients=4):
        self.test = test
        self.port = {name: harness.free_port() for name in PORTS}
        self.sent, self.got = {"bound": 0, "far": 0}, {"bound": [], "far": []}
        self.asked, self.again, self.answers, self.executed = [0] * clients, 0, [], []
        self.stopping, self.ended = threading.Event(), threading.Event()
        self.failures, self.threads, self.askers, self.watches = [], [], [], []
        self.lock = threading.Lock()
        self.source = None  # what the scripts' connects reach; not every load has them

    def args(self):
        return " ".join("%s=%d" % item for item in self.port.items())

    def address(self, name):
        return "tcp://127.0.0.1:%d" % self.port[name]

    def run(self, function, *args):
        def guarded():
            try:
                function(*args)
            except Exception as e:  # the test shall see it, not stderr
                self.failures.append(e)
        self.threads.append(threading.Thread(target=guarded, daemon=True))
        self.threads[-1].start()
        return self.threads[-1]

    def start(self):
        sock = self.test.socket
        into, out, far_out = sock(zmq.PUSH), sock(zmq.PULL), sock(zmq.PULL)
        into.connect(self.address("bound_in"))
        out.connect(self.address("bound_out"))
        self.source = source = Source(self.port["far_in"])
        watch = Watch(far_out)
        self.test.addCleanup(source.close)
        self.watches = [source, watch]
        far_out.bind(self.address("far_out"))
        self.run(self.send, into)
        self.run(self.take, out, "bound", None)
        self.run(self.send_far, source)
        self.run(self.take, far_out, "far", watch)
        for _ in range(2):
            self.run(self.serve)
        for n in range(len(self.asked)):
            self.askers.append(self.run(self.ask, n))
        return self

    def send(self, sock):
        while not self.stopping.is_set():
            for _ in range(BURST):
                sock.send(b"%d" % self.sent["bound"])
                self.sent["bound"] += 1
            time.sleep(REST)

    def send_far(self, source):
        while not self.ended.is_set():
            first = self.sent["far"]
            if self.stopping.is_set():
                source.look()
            elif source.send([b"%d" % n for n in range(first, first + BURST)]):
                self.sent["far"] += BURST
            time.sleep(REST)

    def take(self, sock, flow, watch):
        while not self.ended.is_set():
            if watch:
                watch.look()
            for _ in range(100):
                if not sock.poll(20):
                    break
                self.got[flow].append(sock.recv_multipart())

    def serve(self):
        sock = self.test.socket(zmq.REP)
        sock.connect(self.address("back"))
        while not self.ended.is_set():
            if sock.poll(20):
                request = sock.recv()
                with self.lock:
                    self.executed.append(request)
                sock.send(request)

    def ask(self, n):
        """A client that asks again on a new connection when no answer comes, as every client has to."""
        sock = None
        while not self.stopping.is_set():
            time.sleep(REST)
            text = b"%d.%d" % (n, self.asked[n])
            self.asked[n] += 1
            for _ in range(20):
                sock = sock or self.test.connect(zmq.REQ, self.port["front"])
                sock.send(text)
                if sock.poll(1500):
                    with self.lock:
                        self.answers.append(sock.recv())
                    break
                with self.lock:
                    self.again += 1
                sock.close()
                sock = None

    def flows(self, more=200):
        """Waits until every flow has moved on."""
        marks = {flow: len(self.got[flow]) + more for flow in self.got}
        answers = len(self.answers) + 20
        def moved():
            return self.failures or (len(self.answers) >= answers and
                                     all(len(self.got[flow]) >= mark for flow, mark in marks.items()))
        try:
            harness.wait_for(moved, "traffic")
        except AssertionError as e:
            raise AssertionError("%s: %s of %s, %d of %d answers, %d again" % (e, {
                flow: len(got) for flow, got in self.got.items()}, marks, len(self.answers), answers, self.again)) from None
        self.test.assertEqual(self.failures, [])

    def stop(self):
        """Nothing more is sent; all that can come has come."""
        self.stopping.set()
        for thread in self.askers:
            thread.join()
        last, since = -1, time.monotonic()
        while time.monotonic() - since < 0.7:
            count = sum(map(len, self.got.values())) + len(self.answers)
            if count != last:
                last, since = count, time.monotonic()
            time.sleep(0.02)
        self.ended.set()
        for thread in self.threads:
            thread.join()
        if self.source is not None:
            self.source.close()  # or nginx waits for its end
        self.test.assertEqual(self.failures, [])

    def numbers(self, flow):
        return [int(parts[-1]) for parts in self.got[flow]]

    def missing(self):
        """{flow: numbers that were sent and did not come}; that one came twice is a failure."""
        result = {}
        for flow in self.got:
            numbers = self.numbers(flow)
            self.test.assertEqual(len(numbers), len(set(numbers)), "%s: a message came twice" % flow)
            result[flow] = sorted(set(range(self.sent[flow])) - set(numbers))
        return result

    def check_answers(self):
        """Every question has one answer; those asked again may have been executed twice."""
        self.test.assertEqual(len(self.answers), len(set(self.answers)), "an answer came twice")
        self.test.assertEqual(len(self.answers), sum(self.asked), "questions without an answer")
        self.test.assertLessEqual(len(self.executed), len(self.answers) + self.again)


def drains(log):
    """(unsent, incomplete) over all drain lines."""
    lines = re.findall(r"signalbox: drained, (\d+) messages unsent, (\d+) incomplete", log)
    return sum(int(u) for u, _ in lines), sum(int(i) for _, i in lines)


BLOCK = "backend %s; linger %s; script a.lua %s;"


class LoadTest(harness.NginxTest):
    """What is missing at the end is what a peer had written half when its connection ended, which is nobody's but the
    peer's, and libzmq gives it up. A question that was told as unsent has been asked again."""

    def serve(self, backend, tag="v1", linger="10s", **options):
        flow = Load(self)
        server = self.nginx(BLOCK % (backend, linger, flow.args()), {"a.lua": SCRIPT % tag}, workers=2, **options)
        server.start()
        flow.start()
        flow.flows()
        return server, flow

    def check_nothing_lost(self, server, flow, reloads):
        flow.stop()
        told, incomplete = drains(server.log())
        missing = flow.missing()
        self.assertLessEqual(told, flow.again)
        count = sum(map(len, missing.values()))
        text = "missing: %s" % {name: (len(n), n[:5], n[-5:]) for name, n in missing.items()}
        self.assertEqual(count, incomplete, text)
        self.assertLessEqual(incomplete, 2 * reloads)
        flow.check_answers()
        # A question that was on its way when its connection ended is asked again: at most one of each client.
        self.assertLessEqual(flow.again, reloads * len(flow.asked), "of %d questions" % sum(flow.asked))
        for watch in flow.watches:
            self.assertEqual((watch.most, watch.now), (1, 1), "connections of two generations at a time")
