"""ZMTP through nginx's stream module: TLS, client certificates, PROXY protocol, from every worker."""
import os
import socket
import ssl
import subprocess
import threading

import zmq

import harness

STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
OURS = os.path.join(harness.BUILD, "ngx_stream_signalbox_module.so")

SCRIPT = """
local sb = require "signalbox"
local front = sb.router { name = "front" }
front:on_message(function(msg, peer) return { peer.user_id, peer.address, msg[1] } end)
local feed = sb.pub { name = "feed" }
sb.every(0.02, function() feed:send { "tick", "tock" } end)
"""

STREAM = """
stream {
  log_format sb '$remote_addr $status $bytes_received $bytes_sent';
  access_log %(folder)s/stream.log sb;
  ssl_certificate %(folder)s/server.pem;
  ssl_certificate_key %(folder)s/server.key;
  server { listen 127.0.0.1:%(tls)d ssl; ssl_client_certificate %(folder)s/ca.pem; ssl_verify_client optional;
           signalbox_pass front user=$ssl_client_s_dn; }
  server { listen 127.0.0.1:%(proxy)d proxy_protocol; set_real_ip_from 127.0.0.0/8; signalbox_pass front; }
  server { listen 127.0.0.1:%(both)d ssl proxy_protocol; set_real_ip_from 127.0.0.0/8; ssl_client_certificate %(folder)s/ca.pem;
           ssl_verify_client on; signalbox_pass front user=$ssl_client_s_dn; }
  server { listen 127.0.0.1:%(feed)d ssl; signalbox_pass feed; }
  server { listen 127.0.0.1:%(closed)d; deny all; signalbox_pass front; }
}
"""


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    """A CA, a server and a client, good for a day."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name, subject in (("server", "/CN=localhost"), ("client", "/O=Signals/CN=alice")):
        openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", name + ".key", "-out", name + ".csr")
        openssl(folder, "x509", "-req", "-days", "1", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", name + ".pem")


class Tunnel:
    """What stunnel does: a plain port here, a stream made by `open` there, octets passed both ways."""

    def __init__(self, open_stream):
        self.open = open_stream
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.socks = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
                far = self.open()
            except OSError:
                return
            self.socks += [plain, far]
            for a, b in ((plain, far), (far, plain)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        for sock in [self.listener, *self.socks]:
            sock.close()


class Stream(harness.NginxTest):
    @classmethod
    def setUpClass(cls):
        if not os.path.exists(STREAM_MODULE):
            raise harness.unittest.SkipTest("libnginx-mod-stream is not installed")

    def serve(self, backend="auto", workers=2, extra=""):
        self.ports = {name: harness.free_port() for name in ("tls", "proxy", "both", "feed", "closed")}
        modules = [STREAM_MODULE, harness.MODULE, OURS]
        block = "backend %s; script a.lua;" % backend
        server = self.nginx(block, {"a.lua": SCRIPT}, workers=workers, modules=modules)
        certificates(server.prefix)
        server.configure(block, main=STREAM % dict(folder=server.prefix, **self.ports) + extra)
        self.folder = server.prefix
        return server.start()

    def tls(self, name, client=None):
        context = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.pem"))
        if client:
            context.load_cert_chain(os.path.join(self.folder, client + ".pem"), os.path.join(self.folder, client + ".key"))
        def dial():
            return context.wrap_socket(socket.create_connection(("127.0.0.1", self.ports[name])), server_hostname="localhost")
        return self.tunnel(dial)

    def proxied(self, line):
        def dial():
            sock = socket.create_connection(("127.0.0.1", self.ports["proxy"]))
            sock.sendall(line)
            return sock
        return self.tunnel(dial)

    def tunnel(self, dial):
        tunnel = Tunnel(dial)
        self.addCleanup(tunnel.close)
        return tunnel.port

    def ask(self, port, text=b"hi"):
        sock = self.connect(zmq.REQ, port)
        sock.send(text)
        return sock.recv_multipart()

    def test_a_certificate_says_who_it_is(self):
        for backend in harness.backends():
            for workers in (1, 2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server = self.serve(backend, workers)
                    known, unknown = self.tls("tls", "client"), self.tls("tls")
                    for _ in range(2 * workers):
                        user, address, text = self.ask(known)
                        self.assertEqual((user, text), (b"CN=alice,O=Signals", b"hi"))
                        self.assertRegex(address, rb"^tcp://127\.0\.0\.1:\d+$")
                        self.assertEqual(self.ask(unknown)[0], b"")
                    server.quit()

    def test_large_messages_both_ways(self):
        self.serve()
        data = os.urandom(5 << 20)
        self.assertEqual(self.ask(self.tls("tls"), data)[2], data)

    def test_subscribers_come_through_tls(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend)
                sub = self.connect(zmq.SUB, self.tls("feed"))
                sub.subscribe(b"tick")
                self.assertEqual(sub.recv_multipart(), [b"tick", b"tock"])
                server.quit()

    def test_proxy_protocol_gives_the_true_address(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend)
                port = self.proxied(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 5555\r\n")
                self.assertEqual(self.ask(port)[:2], [b"", b"tcp://192.0.2.7:4711"])
                port = self.proxied(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 5555\r\n")
                self.assertEqual(self.ask(port)[1], b"tcp://[2001:db8::7]:4711")
                server.quit()

    def test_a_proxy_before_tls(self):
        """The balancer's line first, then the client's TLS with its certificate: address and name are the client's."""
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend)
                context = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.pem"))
                context.load_cert_chain(server.path("client.pem"), server.path("client.key"))
                def dial():
                    sock = socket.create_connection(("127.0.0.1", self.ports["both"]))
                    sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 5555\r\n")
                    return context.wrap_socket(sock, server_hostname="localhost")
                self.assertEqual(self.ask(self.tunnel(dial))[:2], [b"CN=alice,O=Signals", b"tcp://192.0.2.7:4711"])
                server.quit()

    def test_nginx_decides_who_may_connect_and_logs_it(self):
        server = self.serve()
        with socket.create_connection(("127.0.0.1", self.ports["closed"])) as sock:
            sock.settimeout(harness.PATIENCE)
            self.assertEqual(sock.recv(100), b"")
        harness.wait_for(lambda: "127.0.0.1 403" in open(server.path("stream.log")).read(), "the log line")

    def test_what_is_no_zmtp_is_closed(self):
        self.serve()
        context = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.pem"))
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.ports["tls"])), server_hostname="localhost") as sock:
            sock.settimeout(harness.PATIENCE)
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 100)
            while sock.recv(4096):
                pass

    def test_reload_and_quit(self):
        server = self.serve()
        port = self.tls("tls", "client")
        self.assertEqual(self.ask(port)[2], b"hi")
        old, _ = server.reload()
        server.wait_gone(old)
        self.assertEqual(self.ask(port)[2], b"hi")
        self.assertEqual(server.quit(), 0)

    def test_mistakes(self):
        for text, expect in (
                ("signalbox_pass nosuch;", r'no script has a socket of the name "nosuch" in .*nginx.conf:\d+'),
                ("signalbox_pass front uesr=x;", r'unknown parameter "uesr=x", there is: user=TEXT')):
            server = self.nginx("script a.lua;", {"a.lua": SCRIPT}, modules=[STREAM_MODULE, harness.MODULE, OURS],
                                main="stream { server { listen 127.0.0.1:%d; %s } }" % (harness.free_port(), text))
            server.expected.append("signalbox")
            code, said = server.test()
            self.assertEqual(code, 1)
            self.assertRegex(said, expect)


if __name__ == "__main__":
    harness.main()
