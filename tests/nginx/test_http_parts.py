"""signalbox_request with parts=on: bodies that go out as they arrive and replies that come as the service has them, one part
at a time, with a service in the script and one behind a DEALER, from every worker."""
import hashlib
import http.client
import os
import re
import socket
import time

import zmq

import harness

# Token: the number of a conversation. "slow" parts of a reply come one by one when the client has taken the last.
SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local open, last, stats = {}, 0, { canceled = 0, given = 0, most = 0 }
local function begin(kind) last = last + 1; open[tostring(last)] = { kind = kind, octets = 0, parts = 0 }; return tostring(last) end
local function take(t, mark, part)
  local c = open[t]
  c.octets, c.parts = c.octets + #part, c.parts + 1
  stats.most = math.max(stats.most, #part)
  if mark == "more" then return { "next", t } end
  open[t] = nil
  return { "end", "200", "{}", c.octets .. " octets in " .. (c.parts > 1 and "parts" or "one part") }
end
local function give(t)
  local c = open[t]
  c.parts, stats.given = c.parts + 1, stats.given + 1
  if c.kind == "/parts/endless" then return { "more", t, ("x"):rep(65536) } end
  if c.parts == 3 then open[t] = nil; return { "end", "last" } end
  return { "more", t, "part " .. c.parts .. ";" }
end
local api = sb.router { name = "api", maxmsgsize = 300000 }
api:on_message(function(msg)
  local mark, second = msg[1], msg[2]
  if mark == "next" then return open[second] and give(second) or { "end" } end
  if mark == "cancel" then stats.canceled = stats.canceled + 1; open[second] = nil; return sb.DROP end
  if open[second] then return take(second, mark, msg[3]) end
  local uri = msg[3]
  if uri == "/parts/stats" then return { "end", ("%d canceled, %d given, %d most"):format(stats.canceled, stats.given, stats.most) } end
  if uri == "/parts/refuse" then return { "end", "413", "too much" } end
  if uri == "/parts/silent" then return sb.DROP end
  if uri == "/parts/bad" then return { "what", "token" } end
  if uri == "/parts/up" then return take(begin(uri), mark, msg[5]) end
  return { "more", begin(uri), "201", '{"x-kind":"parts"}', "head;" }
end)
local jobs = sb.dealer { name = "jobs", bind = "tcp://127.0.0.1:" .. cfg.jobs }
local whole = sb.rep { name = "whole" }
whole:on_message(function(msg) return { "200", "{}", #msg .. " frames" } end)
"""

HTTP = """
log_format sb '$uri $status $signalbox_status';
server {
  listen 127.0.0.1:%(port)d;
  client_max_body_size 64m;
  client_body_buffer_size 64k;
  access_log %(log)s sb;
  location /parts/ { signalbox_request api parts=on timeout=3s; }
  location /jobs/ { signalbox_request jobs parts=on timeout=%(timeout)s; }
  location /whole/ { signalbox_request whole; }
}
"""


class Parts(harness.NginxTest):
    def serve(self, backend, workers, timeout="10s"):
        self.port, self.jobs = harness.free_port(), harness.free_port()
        block = "backend %s; script a.lua jobs=%d;" % (backend, self.jobs)
        server = self.nginx(block, {"a.lua": SCRIPT}, workers=workers)
        server.configure(block, http=HTTP % dict(port=self.port, log=server.path("access.log"), timeout=timeout))
        return server.start()

    def each(self, test, workers=(1, 3)):
        for backend in harness.backends():
            for n in workers:
                with self.subTest(backend=backend, workers=n):
                    server = self.serve(backend, n)
                    test(server)
                    server.quit()

    def ask(self, method, path, body=None, **options):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        try:
            conn.request(method, path, body, **options)
            reply = conn.getresponse()
            return reply.status, reply.read()
        finally:
            conn.close()

    def begin(self, service, request):
        """Sends a request, again until the service has connected and got it."""
        def tried():
            sock = socket.create_connection(("127.0.0.1", self.port), timeout=harness.PATIENCE)
            sock.sendall(request)
            while not service.poll(50):
                sock.setblocking(False)
                try:
                    if sock.recv(4096, socket.MSG_PEEK) is not None:
                        sock.close()
                        return None  # 503
                except BlockingIOError:
                    pass
                sock.settimeout(harness.PATIENCE)
            return sock
        return harness.wait_for(tried, "the service to get a request")

    def stats(self):
        return [int(n) for n in re.findall(rb"\d+", self.ask("GET", "/parts/stats")[1])]

    def ended(self, server, uri):
        """What the access log says of the last request for it."""
        def look():
            with open(server.path("access.log")) as f:
                return [line.split()[1:] for line in f if line.startswith(uri + " ")]
        return harness.wait_for(look, uri + " in the access log")[-1]


    def test_a_reply_comes_in_parts_and_ends(self):
        def test(server):
            for _ in range(10):
                conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
                for _ in range(3):  # the connection is kept
                    conn.request("GET", "/parts/three")
                    reply = conn.getresponse()
                    self.assertEqual((reply.status, reply.getheader("x-kind")), (201, "parts"))
                    self.assertEqual(reply.read(), b"head;part 1;part 2;last")
                conn.close()
            self.assertEqual(self.ask("GET", "/whole/")[1], b"4 frames")
            self.assertEqual(self.ask("HEAD", "/parts/three"), (201, b""))
        self.each(test)


    def test_a_body_goes_out_in_parts(self):
        def test(server):
            status, said = self.ask("POST", "/parts/up", b"small")  # its headers may come before it
            self.assertEqual((status, said[:9]), (200, b"5 octets "))
            self.assertEqual(self.ask("GET", "/parts/up"), (200, b"0 octets in one part"))
            for size in (1 << 20, 20 << 20):
                self.assertEqual(self.ask("POST", "/parts/up", b"." * size), (200, b"%d octets in parts" % size))
            chunks = (b"c" * 10000 for _ in range(300))
            self.assertEqual(self.ask("POST", "/parts/up", chunks, encode_chunked=True,
                                      headers={"Transfer-Encoding": "chunked"}), (200, b"3000000 octets in parts"))
            self.assertLess(self.stats()[2], 200 << 10)  # never more than nginx's buffers at once
        self.each(test)


    def test_parts_of_a_body_leave_as_they_arrive(self):
        def test(server):
            service = self.connect(zmq.REP, self.jobs)
            sock = self.begin(service, b"POST /jobs/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\none")
            self.assertEqual(service.recv_multipart()[::4], [b"more", b"one"])
            service.send_multipart([b"next", b"t"])
            time.sleep(0.05)
            self.assertFalse(service.poll(50))  # there is nothing yet
            sock.sendall(b"two")
            self.assertEqual(service.recv_multipart(), [b"more", b"t", b"two"])
            sock.sendall(b"end")  # waits until it is asked for
            self.assertFalse(service.poll(50))
            service.send_multipart([b"next", b"u"])
            self.assertEqual(service.recv_multipart(), [b"end", b"u", b"end"])
            service.send_multipart([b"more", b"v", b"200", b"{}", b"first;"])
            self.assertEqual(service.recv_multipart(), [b"next", b"v"])
            got = b""
            while b"first;" not in got:  # the first part is there before the second exists
                got += sock.recv(4096)
            service.send_multipart([b"end", b"second"])
            while b"second" not in got:
                got += sock.recv(4096)
            sock.close()
        self.each(test)


    def test_a_service_may_answer_before_the_body_has_ended(self):
        def test(server):
            sock = socket.create_connection(("127.0.0.1", self.port), timeout=harness.PATIENCE)
            sock.sendall(b"POST /parts/refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"." * 1000)
            self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 413 "))
            sock.close()
        self.each(test)


    def test_a_client_that_does_not_read_holds_up_the_service(self):
        def test(server):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(b"GET /parts/endless HTTP/1.1\r\nHost: a\r\n\r\n")
            seen = [0]

            def at_rest():
                before, seen[0] = seen[0], self.stats()[1]
                time.sleep(0.1)
                return seen[0] > 0 and seen[0] == before
            harness.wait_for(at_rest, "the service to rest")
            self.assertLess(seen[0], 400)  # what the kernel's buffers hold
            canceled = self.stats()[0]
            sock.close()
            harness.wait_for(lambda: self.stats()[0] == canceled + 1, "the service to learn that the client left")
        self.each(test)


    def test_what_goes_wrong_has_a_status_or_ends_the_connection(self):
        def test(server):
            self.assertEqual(self.ask("GET", "/parts/bad")[0], 502)
            self.assertEqual(self.ended(server, "/parts/bad"), ["502", "bad_reply"])
            self.assertEqual(self.ask("GET", "/parts/silent")[0], 504)
            self.assertEqual(self.ask("GET", "/jobs/nobody")[0], 503)
            service = self.connect(zmq.REP, self.jobs)
            sock = self.begin(service, b"GET /jobs/late HTTP/1.1\r\nHost: a\r\n\r\n")
            service.recv_multipart()
            service.send_multipart([b"more", b"t", b"200", b"{}", b"part"])
            got = b""
            while True:
                data = sock.recv(4096)
                if not data:
                    break
                got += data
            self.assertIn(b"part", got)
            self.assertFalse(got.endswith(b"0\r\n\r\n"), "a reply that broke off looks whole")
            self.assertEqual(self.ended(server, "/jobs/late"), ["200", "timeout"])
            self.assertEqual(service.recv_multipart(), [b"next", b"t"])
            service.send(b"too late")
            self.assertEqual(service.recv_multipart(), [b"cancel", b"t"])
            sock.close()
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend, 2, timeout="1s")
                test(server)
                server.quit()


if __name__ == "__main__":
    harness.main()
