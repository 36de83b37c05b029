"""signalbox_request: HTTP locations as clients of a script's services, from every worker, on io_uring and on libuv."""
import http.client
import json
import os
import re
import signal
import socket
import threading
import time

import zmq

import harness

# The three ways to serve: a DEALER whose peers are workers, a ROUTER that routes to it, a REP that answers itself.
SERVICES = """
local sb = require "signalbox"
local cfg = ...
local jobs = sb.dealer { name = "jobs", bind = "tcp://127.0.0.1:" .. cfg.jobs, sndhwm = tonumber(cfg.hwm or 1000) }
local api = sb.router { name = "api" }
local back = sb.dealer { name = "back", bind = "tcp://127.0.0.1:" .. cfg.back }
api:route {
  { frame = 2, equals = "/api/ping", reply = "pong" },
  { frame = 2, prefix = "/api/denied", to = function() return sb.DROP, "denied" end },
  { to = back },
}
back:route { { to = api } }
local hello = sb.rep { name = "hello" }
hello:on_message(function(msg) return { "200", '{"x-method":"' .. msg[1] .. '"}', "hello " .. msg[2] } end)
"""

HTTP = """
log_format sb '$uri $status $signalbox_status $signalbox_socket $signalbox_time $signalbox_late';
server {
  listen 127.0.0.1:%(port)d;
  client_max_body_size 64m;
  access_log %(log)s sb;
  location /jobs/ { signalbox_request jobs timeout=%(timeout)s; }
  location /api/ { signalbox_request api; }
  location /hello { signalbox_request hello; }
  location /frames/ { signalbox_request jobs frames=path,args,$remote_addr,$http_x_a,body headers=Accept; }
  location /some/ { signalbox_request jobs headers=X-A,Accept; }
  location /late { return 200 $signalbox_late; }
  location /stub { stub_status; }
  location /plain { return 200 plain; }
  location /zip/ { gzip on; gzip_min_length 1; gzip_types text/plain; signalbox_request jobs; }
  location /auth/ { auth_request /check/; signalbox_request jobs; }
  location /check/ { internal; signalbox_request hello; }
}
"""


class Service:
    """A REP in a thread of its own that answers until it is stopped."""

    def __init__(self, port, answer):
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(port, answer), daemon=True)
        self.thread.start()

    def run(self, port, answer):
        with zmq.Context() as context, context.socket(zmq.REP) as sock:
            sock.linger = 0
            sock.connect("tcp://127.0.0.1:%d" % port)
            while not self.stopped.is_set():
                if sock.poll(50):
                    frames = sock.recv_multipart()
                    sock.send_multipart([b"200", b"there"] if b"/there" in frames[1] else answer(frames))

    def stop(self):
        self.stopped.set()
        self.thread.join(harness.PATIENCE)


def echo(frames):
    return [b"200", b'{"content-type":"text/plain","x-frames":"%d"}' % len(frames), b"|".join(frames)]


class Request(harness.NginxTest):
    def service(self, port, answer):
        service = Service(port, answer)
        self.addCleanup(service.stop)
        self.ask_until("/jobs/there" if port == self.jobs else "/api/there", 200)
        return service

    def serve(self, backend="auto", workers=2, timeout="10s", extra="", http="", main="", **kwargs):
        self.jobs, self.back, self.port = (harness.free_port() for _ in range(3))
        block = "backend %s; script a.lua jobs=%d back=%d %s;" % (backend, self.jobs, self.back, extra)
        server = self.nginx(block, {"a.lua": SERVICES}, workers=workers, main=main, **kwargs)
        conf = HTTP % dict(port=self.port, log=server.path("access.log"), timeout=timeout)
        server.configure(block, http=conf + http)
        return server.start()

    def ask(self, method, path, body=None, headers=None, port=None):
        conn = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=harness.PATIENCE)
        try:
            conn.request(method, path, body, headers or {})
            reply = conn.getresponse()
            return reply.status, dict((k.lower(), v) for k, v in reply.getheaders()), reply.read()
        finally:
            conn.close()

    def ask_until(self, path, status):
        return harness.wait_for(lambda: self.ask("GET", path)[0] == status, "%s to answer %d" % (path, status))

    def test_every_worker_reaches_every_kind_of_service(self):
        for backend in harness.backends():
            for workers in (1, 2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server = self.serve(backend, workers)
                    self.service(self.jobs, echo)
                    self.service(self.back, echo)
                    self.ask_until("/jobs/x", 200)
                    for i in range(20 * workers):  # new connections: all workers get some
                        status, headers, body = self.ask("GET", "/jobs/%d?q=1" % i, headers={"X-A": 'b"c'})
                        self.assertEqual((status, headers["content-type"], headers["x-frames"]),
                                         (200, "text/plain", "4"))
                        method, uri, names, rest = body.split(b"|")
                        self.assertEqual((method, uri, rest), (b"GET", b"/jobs/%d?q=1" % i, b""))
                        self.assertEqual(json.loads(names)["x-a"], 'b"c')
                        self.assertEqual(self.ask("GET", "/api/ping")[2], b"pong")
                        self.assertEqual(self.ask("POST", "/api/%d" % i, b"body")[2].split(b"|")[3], b"body")
                        status, headers, body = self.ask("PUT", "/hello")
                        self.assertEqual((status, headers["x-method"], body), (200, "PUT", b"hello /hello"))
                    server.quit()

    def test_what_the_frames_are_can_be_chosen(self):
        self.serve()
        self.service(self.jobs, echo)
        body = self.ask("POST", "/frames/a%20b?x=1", b"data", {"X-A": "1"})[2]
        self.assertEqual(body, b"/frames/a b|x=1|127.0.0.1|1|data")
        names = json.loads(self.ask("GET", "/some/", headers={"X-A": "1", "X-B": "2"})[2].split(b"|")[2])
        self.assertEqual(names, {"x-a": "1"})

    def test_the_reply_gives_status_and_headers(self):
        replies = {
            b"/jobs/body": [b"only a body"],
            b"/jobs/status": [b"404 Not Found", b"nothing"],
            b"/jobs/empty": [b"204", b""],
            b"/jobs/many": [b"201", b'{"Location":"/x","Set-Cookie":["a=1","b=2"],"X-N":1}', b"ab", b"", b"cd"],
            b"/jobs/split": [b"200", b'{"X-A":"b\\r\\nX-Evil: 1"}', b""],
            b"/jobs/nostatus": [b"ok", b"body"],
            b"/jobs/nojson": [b"200", b"X-A: b", b"body"],
        }
        server = self.serve()
        self.service(self.jobs, lambda frames: replies[frames[1]])
        self.assertEqual(self.ask("GET", "/jobs/body")[::2], (200, b"only a body"))
        self.assertEqual(self.ask("GET", "/jobs/status")[::2], (404, b"nothing"))
        self.assertEqual(self.ask("GET", "/jobs/empty")[::2], (204, b""))
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        conn.request("GET", "/jobs/many")
        reply = conn.getresponse()
        self.assertEqual((reply.status, reply.read(), reply.getheader("X-N")), (201, b"abcd", "1"))
        self.assertEqual(reply.headers.get_all("Set-Cookie"), ["a=1", "b=2"])
        conn.request("HEAD", "/jobs/body")  # the same connection goes on
        reply = conn.getresponse()
        self.assertEqual((reply.status, reply.read(), reply.getheader("Content-Length")), (200, b"", "11"))
        conn.close()
        for bad in ("split", "nostatus", "nojson"):
            self.assertEqual(self.ask("GET", "/jobs/" + bad)[0], 502)
        server.wait_log(r"signalbox: the reply's second frame is no JSON object of headers")

    def test_large_bodies_both_ways(self):
        self.serve()
        self.service(self.jobs, lambda frames: [b"200", frames[3][::-1]])
        for size in (1, 16 * 1024, 1 << 20, 20 << 20):
            data = os.urandom(size)
            self.assertEqual(self.ask("POST", "/jobs/", data)[2], data[::-1])
        chunked = self.ask("POST", "/jobs/", iter([b"ab", b"cd" * 70000]))  # no length: in chunks
        self.assertEqual(chunked[2], (b"ab" + b"cd" * 70000)[::-1])

    def test_nobody_full_and_late_have_their_status(self):
        server = self.serve(timeout="300ms", extra="hwm=2", workers=1)
        self.assertEqual(self.ask("GET", "/jobs/nobody")[0], 503)
        asked = threading.Event()
        hold = threading.Event()
        self.addCleanup(hold.set)
        def slow(frames):
            asked.set()
            hold.wait(harness.PATIENCE)
            return [b"late"]
        self.service(self.jobs, slow)
        harness.wait_for(lambda: self.ask("GET", "/jobs/slow")[0] == 504, "a timeout")
        asked.wait(harness.PATIENCE)
        hold.set()
        self.ask_until("/jobs/quick", 200)
        harness.wait_for(lambda: int(self.ask("GET", "/late")[2]) >= 1, "a late reply")
        self.assertIn("/jobs/slow 504 timeout jobs 0.3", open(server.path("access.log")).read())
        self.assertIn("/jobs/nobody 503 no_peer jobs 0.", open(server.path("access.log")).read())

    def test_a_full_service_is_429(self):
        server = self.serve(extra="hwm=1", timeout="2s", workers=1)
        peer = self.socket(zmq.ROUTER, rcvhwm=1, rcvbuf=4096)
        peer.connect("tcp://127.0.0.1:%d" % self.jobs)
        status = []
        def one():
            status.append(self.ask("POST", "/jobs/", b"x" * 2000000)[0])
        threads = [threading.Thread(target=one) for _ in range(24)]
        harness.wait_for(lambda: self.ask("GET", "/jobs/")[0] == 504, "the peer")
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertIn(429, status, server.log())
        self.assertLessEqual(set(status), {429, 504}, server.log())

    def test_a_client_that_leaves_is_not_waited_for(self):
        server = self.serve(workers=1)
        asked, hold = threading.Event(), threading.Event()
        self.addCleanup(hold.set)
        def slow(frames):
            asked.set()
            hold.wait(harness.PATIENCE)
            return [b"x"]
        self.service(self.jobs, slow)
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"GET /jobs/left HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(asked.wait(harness.PATIENCE))
        harness.wait_for(lambda: "/jobs/left 499 canceled" in open(server.path("access.log")).read(), "499 in the log")
        hold.set()
        harness.wait_for(lambda: int(self.ask("GET", "/late")[2]) == 1, "the late reply")

    def test_what_nginx_does_around_it(self):
        server = self.serve()
        self.service(self.jobs, echo)
        status, headers, _ = self.ask("GET", "/zip/" + "a" * 500, headers={"Accept-Encoding": "gzip"})
        self.assertEqual((status, headers.get("content-encoding")), (200, "gzip"))
        self.assertEqual(self.ask("GET", "/auth/x")[0], 200)  # asked through another service
        self.assertEqual(self.ask("GET", "/plain")[2], b"plain")
        self.assertRegex(open(server.path("access.log")).read(), r"/auth/x 200 ok jobs 0\.\d\d\d 0")

    def test_a_script_that_drops_it_times_out(self):
        self.serve(workers=1)
        self.service(self.back, echo)
        begin = time.monotonic()
        self.assertEqual(self.ask("GET", "/api/denied")[0], 504)
        self.assertGreater(time.monotonic() - begin, 1.5)

    def test_the_owner_killed_and_back(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend, workers=2, timeout="1s")
                self.service(self.jobs, echo)
                self.ask_until("/jobs/x", 200)
                os.kill(server.owner(), signal.SIGKILL)
                server.wait_ready()
                self.ask_until("/jobs/x", 200)
                for _ in range(20):  # also from the worker that lived on
                    self.ask_until("/jobs/x", 200)
                server.quit()

    def test_reload_goes_on_serving(self):
        server = self.serve(workers=2)
        self.service(self.jobs, echo)
        self.ask_until("/jobs/x", 200)
        for _ in range(3):
            old, _ = server.reload()
            server.wait_gone(old)
            self.ask_until("/jobs/x", 200)

    def test_answers_on_their_way_survive_a_reload_and_a_quit(self):
        for backend in harness.backends():
            for workers in (1, 2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server = self.serve(backend, workers)
                    asked, hold, got = threading.Semaphore(0), threading.Event(), []
                    def slow(frames):
                        asked.release()
                        hold.wait(harness.PATIENCE)
                        return [b"200", b"kept"]
                    service = self.service(self.jobs, slow)
                    threads = [threading.Thread(target=lambda: got.append(self.ask("GET", "/jobs/slow")[::2]))
                               for _ in range(4)]
                    for t in threads:
                        t.start()
                    asked.acquire(timeout=harness.PATIENCE)
                    harness.wait_for(lambda: self.in_flight() == 4, "all requests to be on their way")
                    old, _ = server.reload()
                    for _ in old:
                        server.wait_log("gracefully shutting down")
                    time.sleep(0.3)  # what would end at once has ended
                    hold.set()
                    for t in threads:
                        t.join()
                    self.assertEqual(got, [(200, b"kept")] * 4)
                    server.wait_gone(old)
                    service.stop()
                    server.quit()

    def in_flight(self):
        """Requests that nginx works on, but for this one."""
        text = self.ask("GET", "/stub")[2].decode()
        return int(re.search(r"Writing: (\d+)", text).group(1)) - 1

    def test_mistakes_in_the_configuration(self):
        cases = (
            ("signalbox_request nosuch;", r'no script has a socket of the name "nosuch" in .*nginx.conf:\d+'),
            ("signalbox_request pub;", r'socket "pub" is a PUB, request wants a ROUTER, REP or DEALER in .*nginx.conf:\d+'),
            ("signalbox_request jobs timeout=x;", r'invalid timeout "x", must be a time such as 2s'),
            ("signalbox_request jobs frames=boddy;", r'unknown frame "boddy", use method, uri'),
            ("signalbox_request jobs frames=;", r"frames= is empty"),
            ("signalbox_request jobs tiemout=1s;", r'unknown parameter "tiemout=1s", there are: timeout='),
            ("signalbox_request jobs; signalbox_request jobs;", r"is duplicate"),
        )
        script = 'local sb = require "signalbox"\nsb.dealer { name = "jobs" }\nsb.pub { name = "pub" }\n'
        for text, expect in cases:
            with self.subTest(text):
                server = self.nginx("script a.lua;", {"a.lua": script},
                                    http="server { listen 127.0.0.1:%d; location / { %s } }" % (harness.free_port(), text))
                code, said = server.test()
                self.assertNotEqual(code, 0)
                self.assertRegex(said, expect)
                server.expected.append("signalbox|is duplicate")
        server = self.nginx(None, http="server { listen 127.0.0.1:%d; location / { signalbox_request jobs; } }" % harness.free_port())
        self.assertRegex(server.test()[1], r"there is no signalbox \{ \} block in .*nginx.conf:\d+")
        server.expected.append("signalbox")


if __name__ == "__main__":
    harness.main()
