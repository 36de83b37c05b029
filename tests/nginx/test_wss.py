"""wss:// binds in nginx: nginx holds the listening socket over reloads, the engine speaks TLS and WebSocket on it."""
import os
import subprocess

import harness
from test_stream import certificates

PROGRAM = os.path.join(harness.BUILD, "signalbox")

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local front = sb.rep {
  name = "front", bind = "wss://127.0.0.1:" .. cfg.port .. "/zmtp",
  wss_cert_file = cfg.folder .. "/server.pem", wss_key_file = cfg.folder .. "/server.key",
  wss_trust_file = cfg.trust and cfg.folder .. "/" .. cfg.trust or "",
}
front:on_message(function(msg, peer) return { peer.tls_subject or "nobody", msg[1], cfg.say } end)
"""


class Wss(harness.NginxTest):
    def serve(self, backend, **words):
        self.port = harness.free_port()
        server = self.nginx("", {"a.lua": SCRIPT}, workers=2)
        certificates(server.prefix)
        for name in os.listdir(server.prefix):
            os.chmod(server.path(name), 0o644)
        self.server, self.backend = server, backend
        self.configure(**words)
        return server.start()

    def configure(self, **words):
        words.update(port=self.port, folder=self.server.prefix)
        self.server.configure("backend %s; script a.lua %s;" % (
            self.backend, " ".join("%s=%s" % w for w in words.items())))

    def ask(self, *options):
        done = subprocess.run([PROGRAM, "cat", "-n", "1", *options, "req", "wss://127.0.0.1:%d/zmtp" % self.port],
                              input=b"hello\n", capture_output=True, timeout=60)
        return done.stdout.strip().split(b"\t")

    def trusting(self, client=None):
        options = ["-o", "wss_trust_file=" + self.server.path("ca.pem"), "-o", "wss_hostname=localhost"]
        if client:
            options += ["-o", "wss_cert_file=" + self.server.path(client + ".pem"),
                        "-o", "wss_key_file=" + self.server.path(client + ".key")]
        return options

    def test_it_serves_and_keeps_its_port_over_a_reload(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend, say="first")
                self.assertEqual(self.ask(*self.trusting()), [b"nobody", b"hello", b"first"])
                self.configure(say="second")
                old, _ = server.reload()
                server.wait_gone(old)
                self.assertEqual(self.ask(*self.trusting()), [b"nobody", b"hello", b"second"])
                server.quit()

    def test_a_client_certificate_is_demanded_and_names_the_peer(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend, say="x", trust="ca.pem")
                self.assertEqual(self.ask(*self.trusting("client")), [b"CN=alice,O=Signals", b"hello", b"x"])
                self.assertEqual(self.ask("-t", "1", *self.trusting()), [b""])
                server.quit()

    def test_a_missing_key_is_found_by_nginx_t(self):
        server = self.serve("auto", say="x")
        os.rename(server.path("server.key"), server.path("other.key"))
        server.expected.append("server.key")
        code, said = server.test()
        self.assertEqual(code, 1)
        self.assertRegex(said, r"a\.lua:\d+: .*server\.key")


if __name__ == "__main__":
    harness.main()
