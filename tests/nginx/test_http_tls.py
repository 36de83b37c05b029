"""The HTTP locations over TLS and HTTP/2, with curl: nginx terminates both, the locations do not notice."""
import os
import shutil
import ssl
import subprocess

import zmq

import harness
from test_http_request import Service
from test_stream import certificates
from websocket import WebSocket

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local jobs = sb.dealer { name = "jobs", bind = "tcp://127.0.0.1:" .. cfg.jobs }
local into = sb.pull { name = "into" }
local feed = sb.xpub { name = "feed" }
into:pipe(feed)
"""

HTTP = """
server {
  listen 127.0.0.1:%(port)d ssl http2;
  ssl_certificate %(folder)s/server.pem; ssl_certificate_key %(folder)s/server.key;
  client_max_body_size 8m;
  location /jobs/ { signalbox_request jobs; }
  location /into/ { signalbox_publish into frames=topic,body; }
  location /events/ { signalbox_subscribe feed publish=into buffer=4m; }
}
"""

CURL = shutil.which("curl")


class Tls(harness.NginxTest):
    def serve(self, backend, workers=2):
        self.port, self.jobs = harness.free_port(), harness.free_port()
        block = "backend %s; script a.lua jobs=%d;" % (backend, self.jobs)
        server = self.nginx(block, {"a.lua": SCRIPT}, workers=workers)
        certificates(server.prefix)
        self.ca = server.path("ca.pem")
        server.configure(block, http=HTTP % dict(port=self.port, folder=server.prefix))
        return server.start()

    def command(self, path, *args, version="--http2"):
        return [CURL, "-sS", version, "--cacert", self.ca, "--max-time", "30", "--resolve", "localhost:%d:127.0.0.1" % self.port,
                *args, "https://localhost:%d%s" % (self.port, path)]

    def curl(self, path, *args, body=None, version="--http2"):
        """(version, status, body)"""
        done = subprocess.run(self.command(path, "-w", "\n%{http_version} %{http_code}", *args, version=version), input=body,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, words = done.stdout.rsplit(b"\n", 1)
        return words.decode().split() + [text]

    def test_requests_and_publications(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend)
                service = Service(self.jobs, lambda f: [b"201", b'{"x-a":"b"}', f[1] + b"|" + f[3]])
                self.addCleanup(service.stop)
                harness.wait_for(lambda: self.curl("/jobs/there")[1] == "200", "the service")
                self.assertEqual(self.curl("/jobs/a?b"), ["2", "201", b"/jobs/a?b|"])
                self.assertEqual(self.curl("/jobs/a", version="--http1.1"), ["1.1", "201", b"/jobs/a|"])
                data = os.urandom(3 << 20)
                self.assertEqual(self.curl("/jobs/a", "--data-binary", "@-", body=data), ["2", "201", b"/jobs/a|" + data])
                self.assertEqual(self.curl("/into/t", "-d", "x")[:2], ["2", "202"])
                server.quit()

    def test_a_client_that_leaves_in_the_middle(self):
        self.serve("auto", workers=1)
        quiet = self.connect(zmq.ROUTER, self.jobs)  # takes, and never answers
        harness.wait_for(lambda: self.curl("/jobs/a", "--max-time", "30")[1] == "504", "the silent service")
        one = subprocess.Popen(self.command("/jobs/left"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        quiet.recv_multipart()
        quiet.recv_multipart()
        one.terminate()
        one.wait(harness.PATIENCE)
        self.assertEqual(self.curl("/into/t", "-d", "x")[1], "202")

    def test_events(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend)
                process = subprocess.Popen(self.command("/events/a", "-N"), stdout=subprocess.PIPE)
                try:
                    self.assertEqual(process.stdout.readline(), b": ok\n")
                    for size in (1, 100, 100000, 1000000):
                        self.assertEqual(self.curl("/into/a", "--data-binary", "@-", body=b"x" * size)[1], "202")
                        lines = [process.stdout.readline() for _ in range(4)]
                        self.assertEqual(lines[0], b"\n")
                        self.assertTrue(lines[1].startswith(b"id: "))
                        self.assertEqual(lines[2], b"data: " + b"x" * size + b"\n")
                        self.assertEqual(lines[3], b"\n")
                        self.curl("/into/a", "-d", "end")
                        self.assertTrue(process.stdout.readline().startswith(b"id: "))
                        self.assertEqual(process.stdout.readline(), b"data: end\n")
                finally:
                    process.terminate()
                    process.wait(harness.PATIENCE)
                    process.stdout.close()
                server.quit()

    def test_websocket(self):
        self.serve("auto")
        context = ssl.create_default_context(cafile=self.ca)
        with WebSocket(self.port, "/events/a", tls=context) as ws:
            for size in (0, 10, 1000, 60000):
                ws.send(b"x" * size)
                self.assertEqual(ws.recv(), b"x" * size)


if __name__ == "__main__":
    harness.main()
