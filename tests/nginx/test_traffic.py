"""Messages through a real nginx: routes, a script function, several scripts, ipc, on io_uring and on libuv."""
import os
import shutil
import socket
import threading

import zmq

import harness

BROKER = """
local sb = require "signalbox"
local cfg = ...
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.front }
local eu = sb.dealer { name = "eu", bind = "tcp://127.0.0.1:" .. cfg.eu }
local us = sb.dealer { name = "us", bind = "tcp://127.0.0.1:" .. cfg.us }
front:route {
  { frame = 1, equals = "PING", reply = "PONG" },
  { frame = 1, prefix = "order.eu.", to = eu },
  { frame = 1, prefix = "order.", to = us },
}
eu:route { { to = front } }
us:route { { to = front } }
"""

PIPE = """
local sb = require "signalbox"
local cfg = ...
local from = sb.pull { name = "from" .. (cfg.n or ""), bind = cfg.from }
local to = sb.push { name = "to" .. (cfg.n or ""), bind = cfg.to }
%s
"""
PLAIN = PIPE % "from:pipe(to)"
DISH = """
local sb = require "signalbox"
local cfg = ...
local dish = sb.dish { name = "dish", bind = "udp://127.0.0.1:" .. cfg.port, join = "g" }
local to = sb.push { name = "to", bind = cfg.to }
dish:pipe(to)
local echo = sb.stream { name = "echo", bind = "tcp://127.0.0.1:" .. cfg.echo }
echo:on_message(function(msg) if msg[1] ~= "" then return msg[1] end end)
"""
UPPER = PIPE % "from:pipe(to, function(msg) msg[1] = msg[1]:upper() return msg end)"


def tcp():
    return "tcp://127.0.0.1:%d" % harness.free_port()


class Traffic(harness.NginxTest):
    def echo_worker(self, port, name):
        """A REP that answers with its name in front, until the context ends."""
        def serve():
            sock = self.connect(zmq.REP, port, rcvtimeo=-1)
            try:
                while True:
                    sock.send_multipart([name] + sock.recv_multipart())
            except zmq.ContextTerminated:
                sock.close()
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.context.term)

    def test_requests_are_routed_by_content_and_answers_find_back(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                front, eu, us = (harness.free_port() for _ in range(3))
                server = self.nginx("backend %s; script a.lua front=%d eu=%d us=%d;" % (backend, front, eu, us),
                                    {"a.lua": BROKER})
                server.launch()
                ready = server.wait_ready(backend)
                self.assertEqual(ready.group(2), "3")
                context, self.context = self.context, zmq.Context()
                self.echo_worker(eu, b"eu")
                self.echo_worker(us, b"us")
                clients = [self.connect(zmq.REQ, front) for _ in range(3)]
                for i in range(50):
                    for n, client in enumerate(clients):
                        topic, who = ((b"order.eu.1", b"eu"), (b"order.us.1", b"us"), (b"order.x", b"us"))[n]
                        client.send_multipart([topic, b"%d" % i])
                    for n, client in enumerate(clients):
                        topic, who = ((b"order.eu.1", b"eu"), (b"order.us.1", b"us"), (b"order.x", b"us"))[n]
                        self.assertEqual(client.recv_multipart(), [who, topic, b"%d" % i])
                clients[0].send_multipart([b"PING"])
                self.assertEqual(clients[0].recv_multipart(), [b"PONG"])
                for client in clients:
                    client.close()
                self.context.term()
                self.context = context

    def pump(self, count, source, target, script, transform, backend):
        server = self.nginx("backend %s; script a.lua from=%s to=%s;" % (backend, source, target), {"a.lua": script})
        server.start()
        out = self.connect(zmq.PULL, target)
        into = self.connect(zmq.PUSH, source)

        def send():
            for i in range(count):
                into.send_multipart([b"m%d" % i, b"x" * (i % 700)])
        thread = threading.Thread(target=send)
        thread.start()
        for i in range(count):
            self.assertEqual(out.recv_multipart(), [transform(b"m%d" % i), b"x" * (i % 700)])
        thread.join()
        into.close()
        out.close()
        return server

    def test_a_pipe_keeps_every_message_in_order(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                self.pump(20000, tcp(), tcp(), PLAIN, bytes, backend)

    def test_a_function_transforms_every_message(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                self.pump(5000, tcp(), tcp(), UPPER, bytes.upper, backend)

    def test_ipc_sockets_are_opened_by_nginx_and_reachable_from_other_users(self):
        folder = os.path.join("/tmp", "sb%d" % os.getpid())
        os.mkdir(folder)
        self.addCleanup(shutil.rmtree, folder)
        source, target = "ipc://%s/from" % folder, "ipc://%s/to" % folder
        server = self.pump(1000, source, target, PLAIN, bytes, "auto")
        self.assertEqual(os.stat(folder + "/from").st_mode & 0o777, 0o666)
        self.assertEqual(server.test()[0], 0)  # checking beside the running one leaves its paths alone
        old, _ = server.reload()
        server.wait_gone(old)
        self.connect(zmq.PUSH, source).send(b"after")
        self.assertEqual(self.connect(zmq.PULL, target).recv(), b"after")
        server.quit()
        self.assertEqual(os.listdir(folder), [])

    def test_a_path_left_behind_by_a_killed_nginx_is_taken_over(self):
        path = "/tmp/sb%d.sock" % os.getpid()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)  # never listened on: as after kill -9
        server = self.nginx("script a.lua from=ipc://%s to=%s;" % (path, tcp()), {"a.lua": PLAIN})
        server.start()
        server.quit()
        self.assertFalse(os.path.exists(path))

    def test_a_path_somebody_listens_on_is_not_taken(self):
        path = "/tmp/sb%d.sock" % os.getpid()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            self.addCleanup(os.unlink, path)
            other.listen()
            server = self.nginx("script a.lua from=ipc://%s to=%s;" % (path, tcp()), {"a.lua": PLAIN})
            server.expected.append(r"Address already in use|still could not bind")
            server.launch()
            self.assertNotEqual(server.wait_end(), 0)
            self.assertTrue(os.path.exists(path))

    def test_scripts_have_states_of_their_own_in_one_engine(self):
        ports = [tcp() for _ in range(4)]
        server = self.nginx("script a.lua n=1 from=%s to=%s; script b.lua n=2 from=%s to=%s;" % tuple(ports),
                            {"a.lua": 'rawset(_G, "mine", 1)\n' + PLAIN,
                             "b.lua": 'assert(rawget(_G, "mine") == nil)\n' + UPPER})
        self.assertEqual(server.launch().wait_ready().group(2), "4")
        for i, expect in ((0, b"abc"), (2, b"ABC")):
            self.connect(zmq.PUSH, ports[i]).send(b"abc")
            self.assertEqual(self.connect(zmq.PULL, ports[i + 1]).recv(), expect)

    def hear_datagram(self, out, port, body):
        """Sends until it is heard: datagrams may be lost."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in range(100):
                s.sendto(b"\1g" + body, ("127.0.0.1", port))
                while out.poll(100):
                    if out.recv_multipart() == [b"g", body]:
                        return
        self.fail("no datagram came through")

    def test_datagrams_and_plain_connections_also_after_a_reload(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                port, echo, to = harness.free_port(), harness.free_port(), tcp()
                server = self.nginx("backend %s; script a.lua port=%d echo=%d to=%s;" % (backend, port, echo, to),
                                    {"a.lua": DISH})
                server.start()
                out = self.connect(zmq.PULL, to)
                self.hear_datagram(out, port, b"before")
                with socket.create_connection(("127.0.0.1", echo), timeout=10) as s:
                    s.sendall(b"hello")
                    self.assertEqual(s.recv(5), b"hello")
                self.assertEqual(server.test()[0], 0)
                old, _ = server.reload()
                server.wait_gone(old)
                self.hear_datagram(out, port, b"after")
                out.close()
                server.quit()

    def test_without_io_uring_libuv_takes_over_and_one_line_says_why(self):
        deny = os.path.join(harness.BUILD, "deny_uring")
        server = self.nginx("script a.lua from=%s to=%s;" % (tcp(), tcp()), {"a.lua": PLAIN})
        server.wrap = [deny]
        server.launch()
        server.wait_log(r"\[notice\].*signalbox: .*io_uring.*libuv")
        server.wait_ready("uv")
        self.assertEqual(server.log().count("using libuv"), 1)

    def test_what_a_script_logs_has_nginx_levels(self):
        script = """
local sb = require "signalbox"
if sb.phase() == "run" then
  for _, level in ipairs { "info", "notice", "warn", "error" } do sb.log[level]("hello from " .. level) end
end
"""
        server = self.nginx("script a.lua;", {"a.lua": script})
        server.start()
        for level, word in (("info", "info"), ("notice", "notice"), ("warn", "warn"), ("error", "error")):
            self.assertRegex(server.log(), r"\[%s\] .*signalbox: .*hello from %s" % (level, word))


if __name__ == "__main__":
    harness.main()
