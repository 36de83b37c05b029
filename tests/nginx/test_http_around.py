"""What nginx does around its locations, with each of ours: auth_request, limit_req, gzip, the access log, over TLS with HTTP/2
and HTTP/1.1; and bodies in parts over HTTP/2, compressed, and over a reload."""
import gzip
import os
import shutil
import socket
import subprocess
import time

import harness
from test_stream import certificates

SCRIPT = """
local sb = require "signalbox"
local feed = sb.xpub { name = "feed" }
local into = sb.pull { name = "into" }
into:pipe(feed)
sb.every(0.05, function() feed:send { "tick", ("tock "):rep(200) } end)
local api = sb.rep { name = "api" }
api:on_message(function(msg) return { "200", '{"content-type":"text/plain"}', ("answer "):rep(200) } end)
local parts, open, last = sb.router { name = "parts" }, {}, 0
parts:on_message(function(msg)
  if msg[1] == "cancel" then return sb.DROP end
  if msg[1] == "next" then
    local t = msg[2]
    if open[t] == 0 then open[t] = nil return { "end", "last\\n" } end
    open[t] = open[t] - 1
    sb.sleep(0.05)
    return { "more", t, ("part "):rep(2000) .. "\\n" }
  end
  if msg[1] == "more" then return { "next", msg[2] } end
  last = last + 1
  open[tostring(last)] = 10
  return { "more", tostring(last), "200", '{"content-type":"text/plain"}', "first\\n" }
end)
"""
PARTS = b"first\n" + 10 * (2000 * b"part " + b"\n") + b"last\n"

KINDS = {
    "request": ("signalbox_request api;", []),
    "parts": ("signalbox_request parts parts=on;", []),
    "publish": ("signalbox_publish into topic=tick frames=topic,body;", ["-d", "x"]),
    "subscribe": ("signalbox_subscribe feed topic=tick;", ["-H", "Accept: text/plain"]),  # a long poll
}
STATUS = {"request": 200, "parts": 200, "publish": 202, "subscribe": 200}
AROUND = {
    "plain": "",
    "auth": "auth_request /who;",
    "limit": "limit_req zone=%s;",
    "zip": "gzip on; gzip_min_length 10; gzip_types *; gzip_proxied any;",
}

HTTP = """
log_format sb '$uri $server_protocol $status $signalbox_status $signalbox_socket';
server {
  listen 127.0.0.1:%(port)d; listen 127.0.0.1:%(tls)d ssl http2;
  ssl_certificate %(folder)s/server.pem; ssl_certificate_key %(folder)s/server.key;
  access_log %(folder)s/access.log sb;
  location = /who { internal; if ($http_x_user = "") { return 401; } return 204; }
"""
CURL = shutil.which("curl")


class Around(harness.NginxTest):
    def serve(self, backend, workers=2):
        self.port, self.tls = harness.free_port(), harness.free_port()
        block = "backend %s; linger 10s; script a.lua;" % backend
        server = self.nginx(block, {"a.lua": SCRIPT}, workers=workers)
        certificates(server.prefix)
        self.ca = server.path("ca.pem")
        text = HTTP % dict(port=self.port, tls=self.tls, folder=server.prefix)
        for around, lines in AROUND.items():
            for kind, (directive, _) in KINDS.items():
                text += "location /%s/%s { %s %s }\n" % (around, kind, lines % kind if "%s" in lines else lines, directive)
        zones = "".join("limit_req_zone $http_x_key zone=%s:1m rate=1r/m;\n" % kind for kind in KINDS)
        server.configure(block, http=zones + text + "}\n")
        return server.start()

    def curl(self, path, *args, how="h2"):
        """(status, body)"""
        url = "http://127.0.0.1:%d%s" % (self.port, path) if how == "plain" else "https://localhost:%d%s" % (self.tls, path)
        version = "--http2" if how == "h2" else "--http1.1"
        done = subprocess.run([CURL, "-sS", version, "--cacert", self.ca, "--max-time", "30", "--resolve",
                               "localhost:%d:127.0.0.1" % self.tls, "-w", "\n%{http_code}", *args, url], capture_output=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        body, status = done.stdout.rsplit(b"\n", 1)
        return int(status), body

    def each(self, test):
        for backend in harness.backends():
            server = self.serve(backend)
            harness.wait_for(lambda: self.curl("/plain/request")[0] == 200, "the script")
            for kind, (_, args) in KINDS.items():
                for how in ("h2", "h1", "plain"):
                    with self.subTest(backend=backend, kind=kind, how=how):
                        test(server, kind, args, how)
            server.quit()

    def test_auth_request_decides(self):
        def test(_, kind, args, how):
            self.assertEqual(self.curl("/auth/" + kind, *args, how=how)[0], 401)
            self.assertEqual(self.curl("/auth/" + kind, *args, "-H", "X-User: ann", how=how)[0], STATUS[kind])
        self.each(test)

    def test_limit_req_decides(self):
        def test(_, kind, args, how):
            key = ["-H", "X-Key: " + how]
            self.assertEqual(self.curl("/limit/" + kind, *args, *key, how=how)[0], STATUS[kind])
            self.assertEqual(self.curl("/limit/" + kind, *args, *key, how=how)[0], 503)
        self.each(test)

    def test_answers_are_compressed(self):
        def test(_, kind, args, how):
            status, body = self.curl("/zip/" + kind, *args, "-H", "Accept-Encoding: gzip", how=how)
            self.assertEqual(status, STATUS[kind])
            if kind == "publish":  # has no body
                return
            text = gzip.decompress(body)
            self.assertLess(len(body), len(text) / 4)
            self.assertEqual(text, self.curl("/plain/" + kind, *args, how=how)[1])
            if kind == "parts":
                self.assertEqual(text, PARTS)
        self.each(test)

    def test_the_access_log_tells_all_of_them(self):
        def test(server, kind, args, how):
            self.curl("/plain/" + kind, *args, how=how)
            socket_name = {"request": "api", "parts": "parts", "publish": "into", "subscribe": "feed"}[kind]
            line = "/plain/%s HTTP/%s %d ok %s\n" % (kind, "2.0" if how == "h2" else "1.1", STATUS[kind], socket_name)
            harness.wait_for(lambda: line in open(server.path("access.log")).read(), "the log line " + line)
        self.each(test)

    def test_a_reply_in_parts_outlives_a_reload(self):
        """The old worker goes on until it is whole."""
        for backend in harness.backends():
            for workers in (1, 2):
                for how in ("h1", "h2"):
                    with self.subTest(backend=backend, workers=workers, how=how):
                        server = self.serve(backend, workers)
                        harness.wait_for(lambda: self.curl("/plain/request")[0] == 200, "the script")
                        process = subprocess.Popen([CURL, "-sSN", "--http2" if how == "h2" else "--http1.1", "--cacert", self.ca,
                                                    "--resolve", "localhost:%d:127.0.0.1" % self.tls,
                                                    "https://localhost:%d/plain/parts" % self.tls], stdout=subprocess.PIPE)
                        begin = process.stdout.readline()
                        self.assertEqual(begin, b"first\n")
                        old, _ = server.reload()
                        self.assertEqual(begin + process.stdout.read(), PARTS)
                        self.assertEqual(process.wait(harness.PATIENCE), 0)
                        process.stdout.close()
                        server.wait_gone(old)
                        server.quit()

    def test_a_body_in_parts_outlives_a_reload(self):
        server = self.serve("auto")
        harness.wait_for(lambda: self.curl("/plain/request")[0] == 200, "the script")
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.settimeout(harness.PATIENCE)
            sock.sendall(b"POST /plain/parts HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100000)
            time.sleep(0.1)
            old, _ = server.reload()
            sock.sendall(b"x" * 200000)
            reply = b""
            while more := sock.recv(65536):
                reply += more
        self.assertTrue(reply.startswith(b"HTTP/1.1 200"), reply[:100])
        self.assertIn(b"last", reply)
        server.wait_gone(old)


if __name__ == "__main__":
    if CURL is None:
        raise SystemExit("curl is missing: scripts/deps.sh")
    os.umask(0o022)
    harness.main()
