"""signalbox_subscribe: server-sent events, WebSocket and long polls, from every worker, on io_uring and on libuv."""
import http.client
import json
import os
import re
import signal
import socket
import time

import zmq

import harness
from websocket import WebSocket

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local into = sb.pull { name = "into", bind = "tcp://127.0.0.1:" .. cfg.into }
local feed = sb.xpub { name = "feed", bind = "tcp://127.0.0.1:" .. cfg.feed }
local chat = sb.pull { name = "chat" }
into:pipe(feed)
local count = sb.rep { name = "count" }
count:on_message(function() return tostring(feed:stats().subscriptions) end)
chat:pipe(feed, function(msg) msg[2] = "said " .. msg[2] return msg end)
feed:on_subscribe(function(topic, peer)
  if topic:sub(1, 6) == "secret" then return sb.DENY, "no" end
  if topic:sub(1, 4) == "old." then return "new." .. topic:sub(5) end
  if topic == "slow" then sb.sleep(0.05) end
  return sb.ACCEPT
end)
"""

HTTP = """
log_format sb '$uri $status $signalbox_status $signalbox_topic';
limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;
server {
  listen 127.0.0.1:%(port)d;
  access_log %(log)s sb;
  location /events/ { signalbox_subscribe feed ping=%(ping)s retain=100 buffer=64k; }
  location /named/ { signalbox_subscribe feed format=event; }
  location /json/ { signalbox_subscribe feed format=json; }
  location /arg { signalbox_subscribe feed topic=$arg_t timeout=1s; }
  location /chat/ { signalbox_subscribe feed publish=chat message=1k ping=%(ping)s; }
  location /zip/ { gzip on; gzip_min_length 1; gzip_types text/event-stream; signalbox_subscribe feed; }
  location /auth/ { auth_request /check; signalbox_subscribe feed; }
  location /limit/ { limit_req zone=one; signalbox_subscribe feed; }
  location = /check { internal; return 401; }
  location = /count { signalbox_request count; }
  location = /counts { return 200 "$signalbox_clients $signalbox_slow"; }
}
"""


class Events:
    """An EventSource: (id, event, data) of each event."""

    def __init__(self, port, path, headers=(), rcvbuf=None):
        self.sock = socket.socket()
        self.sock.settimeout(harness.PATIENCE)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.connect(("127.0.0.1", port))
        lines = ["GET %s HTTP/1.1" % path, "Host: localhost", "Accept: text/event-stream", *headers, "", ""]
        self.sock.sendall("\r\n".join(lines).encode())
        self.reply = http.client.HTTPResponse(self.sock)
        self.reply.begin()
        self.status, self.comments = self.reply.status, 0
        if self.status == 200:  # the first comment says that the subscription is there
            assert self.line() == ": ok" and self.line() == ""

    def line(self):
        line = self.reply.readline()
        if not line:
            raise EOFError
        return line.decode().rstrip("\n")

    def next(self):
        ident, event, data = None, None, []
        while True:
            line = self.line()
            if line.startswith(":"):
                self.comments += 1
            elif line == "" and ident is not None:
                return ident, event, "\n".join(data)
            elif line != "":
                field, value = line.split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                if field == "id":
                    ident = value
                elif field == "event":
                    event = value
                else:
                    data.append(value)

    def data(self):
        return self.next()[2]

    def close(self):
        self.sock.close()
        self.reply.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Subscribe(harness.NginxTest):
    def serve(self, backend="auto", workers=2, ping="15s", main="", http=""):
        self.into, self.feed, self.port = (harness.free_port() for _ in range(3))
        block = "backend %s; linger 2s; script a.lua into=%d feed=%d;" % (backend, self.into, self.feed)
        server = self.nginx(block, {"a.lua": SCRIPT}, workers=workers, main=main)
        conf = HTTP % dict(port=self.port, log=server.path("access.log"), ping=ping)
        server.configure(block, http=conf + http)
        server.start()
        self.push = self.connect(zmq.PUSH, self.into)
        return server

    def events(self, path, headers=(), **options):
        events = Events(self.port, path, headers, **options)
        self.addCleanup(events.close)
        return events

    def websocket(self, path, *headers, **options):
        ws = WebSocket(self.port, path, headers, **options)
        self.addCleanup(ws.close)
        return ws

    def get(self, path, headers=None):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        try:
            conn.request("GET", path, headers=headers or {})
            reply = conn.getresponse()
            return reply.status, dict((k.lower(), v) for k, v in reply.getheaders()), reply.read()
        finally:
            conn.close()

    def publish(self, *frames):
        self.push.send_multipart([f.encode() if isinstance(f, str) else f for f in frames])

    def log_has(self, server, text):
        harness.wait_for(lambda: text in open(server.path("access.log")).read(), text)

    # ---- server-sent events ----

    def test_events_reach_clients_of_every_worker(self):
        for backend in harness.backends():
            for workers in (1, 2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server = self.serve(backend, workers)
                    clients = [self.events("/events/tick.%d" % (i % 2)) for i in range(4 * workers)]
                    for i in range(10):
                        self.publish("tick.0.a", "even %d" % i)
                        self.publish("tick.1.a", "odd %d" % i)
                        self.publish("other", "x")
                    for n, client in enumerate(clients):
                        for i in range(10):
                            self.assertEqual(client.data(), "%s %d" % (("even", "odd")[n % 2], i))
                    for client in clients:
                        client.close()
                    server.quit()

    def test_the_forms_of_an_event(self):
        self.serve()
        plain, named, other = self.events("/events/a"), self.events("/named/a"), self.events("/json/a")
        self.publish("a/b", "one\ntwo\r\nthree\rfour", "second frame", "")
        text = "one\ntwo\nthree\nfour\nsecond frame\n"
        self.assertEqual(plain.next()[1:], (None, text))
        self.assertEqual(named.next()[1:], ("a/b", text))
        ident, _, data = other.next()
        self.assertEqual(json.loads(data), {"id": ident, "topic": "a/b", "data": "one\ntwo\r\nthree\rfour\nsecond frame\n"})
        self.publish("a", "")
        self.assertEqual(plain.data(), "")

    def test_topics_and_what_the_script_says_to_them(self):
        server = self.serve()
        self.assertEqual(self.get("/events/secret/1")[0], 403)
        self.assertEqual(self.get("/events/" + "x" * 300)[0], 400)
        self.assertEqual(self.get("/events/a%00b")[0], 400)
        slow, old, arg, all_of_it = (self.events(p) for p in ("/events/slow", "/named/old.x", "/arg?t=b", "/events/"))
        self.publish("slow", "1")
        self.publish("new.x.y", "2")
        self.publish("b", "3")
        self.assertEqual(slow.data(), "1")
        self.assertEqual(old.next()[1:], ("old.x.y", "2"))
        self.assertEqual(arg.data(), "3")
        self.assertEqual([all_of_it.data() for _ in range(3)], ["1", "2", "3"])
        self.log_has(server, "/events/secret/1 403 denied secret/1")

    def test_a_client_that_comes_back_misses_nothing(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                self.serve(workers=workers)
                first = self.events("/events/a")
                self.publish("a", "1")
                ident = first.next()[0]
                first.close()
                for i in range(2, 6):
                    self.publish("a", str(i))
                    self.publish("b", "x")
                for _ in range(2 * workers):  # whichever worker it comes to
                    with self.events("/events/a", ["Last-Event-ID: " + ident]) as again:
                        self.assertEqual([again.data() for _ in range(4)], ["2", "3", "4", "5"])
                with self.events("/events/a?last_event_id=" + ident) as again:
                    self.publish("a", "6")
                    self.assertEqual([again.data() for _ in range(5)], ["2", "3", "4", "5", "6"])
                with self.events("/events/a", ["Last-Event-ID: nonsense"]) as again:
                    self.publish("a", "7")
                    self.assertEqual(again.data(), "7")

    def test_pings_keep_it_alive(self):
        self.serve(ping="50ms")
        client = self.events("/events/a")
        time.sleep(0.5)
        self.publish("a", "x")
        client.next()
        self.assertGreater(client.comments, 1)

    def test_one_subscription_for_all_clients_of_a_topic(self):
        self.serve(workers=2)
        clients = [self.events("/events/a") for _ in range(20)]
        self.publish("a", "x")
        self.assertEqual([c.data() for c in clients], ["x"] * 20)
        self.assertEqual(self.get("/count")[2], b"1")
        for client in clients:
            client.close()
        self.events("/events/b")
        self.assertEqual(self.get("/count")[2], b"2")  # for a minute what was asked for is still recorded

    def test_a_slow_client_is_dropped_and_counted(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend, workers=1)
                slow, fast = self.events("/events/a", rcvbuf=4096), self.events("/events/a")
                for i in range(400):
                    self.publish("a", "%d" % i + "x" * 16000)
                    self.assertEqual(fast.data()[:3].rstrip("x"), str(i)[:3])
                self.log_has(server, "/events/a 200 slow")
                self.assertEqual(self.get("/counts")[2], b"1 1")
                with self.assertRaises((EOFError, ConnectionError, http.client.HTTPException)):
                    for _ in range(400):
                        slow.data()

    def test_clients_that_leave_are_forgotten(self):
        server = self.serve(workers=1)
        clients = [self.events("/events/a") for _ in range(10)] + [self.websocket("/events/a") for _ in range(10)]
        self.assertEqual(self.get("/counts")[2], b"20 0")
        for client in clients:
            client.close()
        harness.wait_for(lambda: self.get("/counts")[2] == b"0 0", "the last client to leave")

    # ---- long poll ----

    def test_long_poll(self):
        self.serve(workers=2)
        status, headers, body = self.get("/arg?t=a&poll")
        self.assertEqual((status, body), (204, b""))  # nothing within its second
        with self.events("/events/a") as client:
            self.publish("a", "1")
            ident = client.next()[0]
            for text in (b"2", b"3", b"4"):
                self.publish("a", text)
            for text in (b"2", b"3", b"4"):
                status, headers, body = self.get("/arg?t=a&poll", {"Last-Event-ID": ident})
                self.assertEqual((status, body), (200, text))
                ident = headers["last-event-id"]
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        for i in range(3):  # on a connection that is kept
            conn.request("GET", "/json/a?last_event_id=" + ident, headers={"Accept": "application/json"})
            self.publish("a", "n%d" % i)
            reply = conn.getresponse()
            event = json.loads(reply.read())
            self.assertEqual((reply.getheader("Content-Type"), event["data"]), ("application/json", "n%d" % i))
            ident = event["id"]
        conn.close()

    # ---- WebSocket ----

    def test_a_websocket_gets_messages_and_may_send(self):
        for backend in harness.backends():
            for workers in (1, 2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server = self.serve(backend, workers)
                    people = [self.websocket("/chat/room") for _ in range(2 * workers)]
                    for n, person in enumerate(people):
                        self.assertEqual(person.status, 101)
                        for i in range(3):
                            person.send(b"%d %d" % (n, i))
                        for other in people:
                            for i in range(3):
                                self.assertEqual(other.recv(), b"said %d %d" % (n, i))
                    for size in (0, 125, 126, 1000):
                        people[0].send(b"x" * size)
                        for other in people:
                            self.assertEqual(other.recv(), b"said " + b"x" * size)
                    for big in (65535, 65536, 200000):
                        self.publish("room", b"y" * big)
                        self.assertEqual(people[-1].recv()[-big:], b"y" * big)
                    for person in people:
                        person.close()
                    server.quit()

    def test_the_handshake(self):
        self.serve()
        ws = self.websocket("/events/a", key="dGhlIHNhbXBsZSBub25jZQ==")  # RFC 6455, 1.3
        self.assertEqual(ws.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        old = self.websocket("/events/a", version="8")
        self.assertEqual((old.status, old.headers["sec-websocket-version"]), (426, "13"))
        self.assertEqual(self.websocket("/events/a", key="short").status, 400)
        self.assertEqual(self.websocket("/events/secret").status, 403)

    def test_frames_in_pieces_and_with_the_request(self):
        self.serve()
        early = WebSocket.frame(1, b"early") + WebSocket.frame(1, b"next")
        ws = self.websocket("/chat/a", early=early)
        self.assertEqual([ws.recv(), ws.recv()], [b"said early", b"said next"])
        for octet in WebSocket.frame(1, b"in pieces"):
            ws.sock.sendall(bytes([octet]))
        self.assertEqual(ws.recv(), b"said in pieces")
        ws.send(b"one ", fin=False)
        ws.send(b"?", 9)
        ws.send(b"two", 0)
        self.assertEqual(ws.recv_frame(), (10, b"?"))
        self.assertEqual(ws.recv(), b"said one two")

    def test_what_a_client_may_not_do(self):
        self.serve()
        cases = (
            ("not masked", 1002, lambda ws: ws.send(b"x", mask=b"")),
            ("reserved bit", 1002, lambda ws: ws.send(b"x", rsv=0x40)),
            ("unknown opcode", 1002, lambda ws: ws.send(b"x", 3)),
            ("control in parts", 1002, lambda ws: ws.send(b"x", 9, fin=False)),
            ("long ping", 1002, lambda ws: ws.send(b"x" * 126, 9)),
            ("continuation of nothing", 1002, lambda ws: ws.send(b"x", 0)),
            ("message in a message", 1002, lambda ws: (ws.send(b"x", fin=False), ws.send(b"x"))),
            ("not UTF-8", 1007, lambda ws: ws.send(b"\xff\xfe")),
            ("half of a surrogate pair", 1007, lambda ws: ws.send(b"\xed\xa0\x80")),
            ("too big", 1009, lambda ws: ws.send(b"x" * 1025)),
            ("too big in parts", 1009, lambda ws: (ws.send(b"x" * 1000, fin=False), ws.send(b"x" * 25, 0))),
            ("length beyond all", 1009, lambda ws: ws.sock.sendall(b"\x81\xff" + b"\xff" * 8 + b"abcd")),
            ("close", 1000, lambda ws: ws.send(b"\x03\xe8bye", 8)),
            ("close without a code", 1005, lambda ws: ws.send(b"", 8)),
            ("close with a bad code", 1002, lambda ws: ws.send(b"\x03\xed", 8)),
        )
        for what, code, act in cases:
            with self.subTest(what):
                with self.websocket("/chat/a") as ws:
                    act(ws)
                    self.assertEqual(ws.close_code(), code)
        with self.websocket("/events/a") as ws:
            ws.send(b"nobody takes it")
            self.assertEqual(ws.close_code(), 1003)

    def test_a_silent_websocket_ends(self):
        self.serve(ping="100ms")
        with self.websocket("/events/a") as ws:
            self.assertEqual(ws.recv_frame(), (9, b""))
            self.assertRaises((EOFError, ConnectionError), lambda: [ws.recv_frame() for _ in range(9)])

    # ---- nginx's own ----

    def test_what_nginx_does_around_it(self):
        server = self.serve()
        self.assertEqual(self.get("/auth/a")[0], 401)
        self.events("/limit/a")
        self.assertEqual(self.get("/limit/a")[0], 503)
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        conn.request("GET", "/zip/a", headers={"Accept-Encoding": "gzip"})
        reply = conn.getresponse()
        self.assertEqual(reply.getheader("Content-Encoding"), "gzip")
        conn.close()
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        conn.request("POST", "/events/a", b"x")
        self.assertEqual(conn.getresponse().status, 405)
        conn.close()

    def test_quit_and_reload_send_clients_to_the_next_worker(self):
        server = self.serve(workers=2)
        events, ws = self.events("/events/a"), self.websocket("/events/a")
        self.publish("a", "1")
        self.assertEqual((events.data(), ws.recv()), ("1", b"1"))
        old, _ = server.reload()
        self.assertEqual(ws.close_code(), 1001)
        with self.assertRaises(EOFError):
            events.next()
        server.wait_gone(old)
        again = self.events("/events/a")
        self.push.close()
        self.push = self.connect(zmq.PUSH, self.into)
        self.publish("a", "2")
        self.assertEqual(again.data(), "2")
        server.quit()

    def test_when_the_owner_dies_clients_are_told(self):
        server = self.serve(workers=2)
        owner = server.owner()
        clients = [self.websocket("/events/a") for _ in range(16)]
        os.kill(owner, signal.SIGKILL)
        server.wait_ready()
        for ws in clients:  # those of the other worker are closed in order, its own just end
            try:
                self.assertIn(ws.close_code(), (1012, None))
            except ConnectionError:
                pass
        harness.wait_for(lambda: Events(self.port, "/events/a").status == 200, "the new owner")


if __name__ == "__main__":
    harness.main()
