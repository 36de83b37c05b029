"""Handlers of HTTP requests that wait do so side by side: each request is a task of its own, so many at a time."""
import select
import socket
import time

import harness

AT_ONCE = 256  # SB_SPEAKER_AT_ONCE

SCRIPT = """
local sb = require "signalbox"
local now, most = 0, 0
local api = sb.router { name = "api" }
api:on_message(function(msg, peer)
  if msg[1] == "/most" then return tostring(most) end
  now = now + 1
  most = math.max(now, most)
  sb.sleep(tonumber(msg[2]))
  now = now - 1
  if msg[1] == "/fail" then error("no luck") end
  return peer.user_id .. " " .. peer.address
end)
"""

HTTP = """server { listen 127.0.0.1:%d; keepalive_timeout 60s;
                   location / { signalbox_request api frames=path,$arg_s user=$arg_user timeout=20s; } }"""


class Waiting(harness.NginxTest):
    def serve(self, backend, workers=1):
        self.port = harness.free_port()
        server = self.nginx("backend %s; script a.lua;" % backend, {"a.lua": SCRIPT},
                            http=HTTP % self.port, workers=workers)
        return server.start()

    def send(self, path):
        sock = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(sock.close)
        sock.settimeout(harness.PATIENCE)
        sock.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())
        return sock

    def reply(self, sock):
        """(status, body)"""
        data = b""
        while more := sock.recv(65536):
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), body.decode().split("\r\n")[1] if b"chunked" in head else body.decode()

    def ask(self, path):
        return self.reply(self.send(path))

    def test_they_wait_side_by_side_and_stay_themselves(self):
        for backend in harness.backends():
            for workers in (1, 2):
                with self.subTest(backend=backend, workers=workers):
                    server = self.serve(backend, workers)
                    harness.wait_for(lambda: self.ask("/x?s=0")[0] == 200, "the script")
                    begin = time.monotonic()
                    socks = [self.send("/x?s=0.5&user=u%d" % i) for i in range(40)]
                    for i, sock in enumerate(socks):
                        address = "tcp://%s:%d" % sock.getsockname()
                        self.assertEqual(self.reply(sock), (200, "u%d %s" % (i, address)))
                    self.assertLess(time.monotonic() - begin, 5)  # one after the other: 20
                    server.quit()

    def test_only_so_many_at_a_time(self):
        server = self.serve("auto")
        harness.wait_for(lambda: self.ask("/x?s=0")[0] == 200, "the script")
        socks = [self.send("/x?s=1&user=u%d" % i) for i in range(AT_ONCE + 40)]
        for sock in socks:
            self.assertEqual(self.reply(sock)[0], 200)
        self.assertEqual(self.ask("/most"), (200, str(AT_ONCE)))
        server.quit()

    def test_a_waiting_handler_that_fails_names_its_client(self):
        server = self.serve("auto")
        harness.wait_for(lambda: self.ask("/x?s=0")[0] == 200, "the script")
        failing = self.send("/fail?s=0.3&user=u1")
        others = [self.send("/x?s=0.5&user=u2") for _ in range(5)]
        server.wait_log(r"no luck(.|\n)*peer: tcp://%s:%d" % failing.getsockname())
        for sock in others:
            self.assertEqual(self.reply(sock)[0], 200)
        server.quit()

    def test_quit_waits_for_them(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend)
                harness.wait_for(lambda: self.ask("/x?s=0")[0] == 200, "the script")
                socks = [self.send("/x?s=0.7") for _ in range(10)]
                select.select([], [], [], 0.2)
                old, _ = server.reload()
                for sock in socks:
                    self.assertEqual(self.reply(sock)[0], 200)
                server.wait_gone(old)
                server.quit()


if __name__ == "__main__":
    harness.main()
