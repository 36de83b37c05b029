"""Quit, reload, kill: what nginx does to its workers, seen from the peers' side. Nothing that was accepted is lost without
a line that says so."""
import os
import re
import signal
import socket
import threading
import time

import zmq

import harness

# Takes everything in, whatever the consumer does, and says when the last one of `expect` has come.
BUFFER = """
local sb = require "signalbox"
local cfg = ...
local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from }
local to = sb.push { name = "to", bind = "tcp://127.0.0.1:" .. cfg.to, sndhwm = 0 }
local n = 0
from:pipe(to, function(msg)
  n = n + 1
  if n == tonumber(cfg.expect) then sb.log.notice("have all") end
  return msg
end)
"""

ECHO = """
local sb = require "signalbox"
local cfg = ...
local rep = sb.rep { name = "echo", bind = "tcp://127.0.0.1:" .. cfg.port }
rep:on_message(function(msg) return "%s" .. msg[1] end)
"""

SELF = """
local sb = require "signalbox"
local cfg = ...
local taker = sb.pull { name = "taker", bind = "tcp://127.0.0.1:" .. cfg.port }
local giver = sb.push { name = "giver", connect = "tcp://127.0.0.1:" .. cfg.port }
taker:on_message(function() sb.log.notice("have it") end)
giver:send "x"
"""


class Life(harness.NginxTest):
    def request(self, port, text):
        """A request that is sent again on a new connection when no answer comes: what a client has to do anyway."""
        for _ in range(20):
            client = self.connect(zmq.REQ, port, rcvtimeo=1000)
            client.send(text)
            try:
                return client.recv()
            except zmq.Again:
                continue
            finally:
                client.close()
        self.fail("no answer to %r" % text)

    def fill(self, count, backend, main="", linger="20s"):
        """A server that holds `count` messages of 1 KiB for a consumer that is connected and does not read."""
        source, target = harness.free_port(), harness.free_port()
        server = self.nginx("backend %s; linger %s; script a.lua from=%d to=%d expect=%d;"
                            % (backend, linger, source, target, count), {"a.lua": BUFFER}, main=main)
        server.start()
        # Small buffers: most of it must still be with us when the end comes.
        out = self.connect(zmq.PULL, target, rcvhwm=1, rcvbuf=4096)
        into = self.connect(zmq.PUSH, source)
        for i in range(count):
            into.send(b"%08d" % i + b"." * 1016)
        server.wait_log("have all")
        return server, into, out

    def test_quit_sends_everything_that_was_accepted(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, _, out = self.fill(5000, backend)
                server.signal(signal.SIGQUIT)
                server.wait_log("gracefully shutting down")
                for i in range(5000):
                    self.assertEqual(out.recv()[:8], b"%08d" % i)
                server.wait_log(r"\[notice\].*signalbox: drained, 0 messages unsent")
                self.assertEqual(server.wait_end(), 0)

    def test_what_linger_cannot_send_is_counted(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, _, out = self.fill(20000, backend, linger="300ms")
                server.signal(signal.SIGQUIT)
                unsent = int(server.wait_log(r"\[warn\].*signalbox: drained, (\d+) messages unsent").group(1))
                server.wait_end()
                got = 0
                out.rcvtimeo = 2000
                try:
                    while out.recv():
                        got += 1
                except zmq.Again:
                    pass
                self.assertGreater(unsent, 0)
                self.assertGreaterEqual(got + unsent, 20000)

    def test_worker_shutdown_timeout_is_obeyed(self):
        server, _, _ = self.fill(20000, "auto", main="worker_shutdown_timeout 300ms;", linger="60s")
        begin = time.monotonic()
        server.signal(signal.SIGQUIT)
        unsent = int(server.wait_log(r"signalbox: drain cut short, (\d+) messages unsent").group(1))
        server.wait_end()
        self.assertGreater(unsent, 0)
        self.assertLess(time.monotonic() - begin, 10)

    def test_term_ends_at_once_and_counts_what_is_lost(self):
        server, _, _ = self.fill(20000, "auto", linger="60s")
        server.signal(signal.SIGTERM)
        self.assertGreater(int(server.wait_log(r"signalbox: ended at once, (\d+) messages unsent").group(1)), 0)
        server.wait_end()

    def test_an_idle_worker_quits_at_once(self):
        port = harness.free_port()
        server = self.nginx("linger 60s; script a.lua port=%d;" % port, {"a.lua": ECHO % ""})
        server.start()
        self.assertEqual(self.request(port, b"hi"), b"hi")
        begin = time.monotonic()
        server.quit()
        self.assertLess(time.monotonic() - begin, 5)
        self.assertIn("signalbox: drained, 0 messages unsent", server.log())

    def test_sockets_of_one_script_that_are_connected_do_not_wait_for_each_other(self):
        """Over tcp both ends of a connection are ours: neither hears of the other's end by waiting for it."""
        for backend in harness.backends():
            for workers in (1, 2):
                with self.subTest(backend=backend, workers=workers):
                    port = harness.free_port()
                    server = self.nginx("backend %s; linger 20s; script a.lua port=%d;" % (backend, port),
                                        {"a.lua": SELF}, workers=workers)
                    server.start()
                    server.wait_log("have it")
                    begin = time.monotonic()
                    server.quit()
                    took = time.monotonic() - begin
                    self.assertIn("signalbox: drained, 0 messages unsent", server.log())
                    self.assertLess(took, 10)

    def test_scripts_learn_that_the_end_is_near(self):
        script = 'local sb = require "signalbox"\nsb.every(60, function(exiting) sb.log.notice("exiting", exiting) end)\n'
        server = self.nginx("script a.lua;", {"a.lua": script})
        server.start()
        server.signal(signal.SIGQUIT)
        server.wait_log(r"exiting.*true")
        server.wait_end()

    def test_a_reload_changes_the_script_and_keeps_the_port(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                port = harness.free_port()
                server = self.nginx("backend %s; script a.lua port=%d;" % (backend, port), {"a.lua": ECHO % "old "},
                                    workers=2)
                server.start()
                self.assertEqual(self.request(port, b"x"), b"old x")
                server.write("a.lua", ECHO % "new ")
                old, _ = server.reload()
                server.wait_gone(old)
                for _ in range(20):
                    self.assertEqual(self.request(port, b"x"), b"new x")

    def test_a_broken_script_keeps_the_old_one_running(self):
        port = harness.free_port()
        server = self.nginx("script a.lua port=%d;" % port, {"a.lua": ECHO % "old "})
        server.start()
        workers = server.workers()
        server.write("a.lua", "local = 1\n")
        server.expected.append(r"a\.lua:1: ")
        server.signal(signal.SIGHUP)
        server.wait_log(r"\[emerg\].*signalbox: a\.lua:1: .* in .*nginx\.conf:\d+")
        self.assertEqual(self.request(port, b"x"), b"old x")
        self.assertEqual(server.workers(), workers)

    def test_a_socket_can_come_and_go_with_a_reload(self):
        first, second = harness.free_port(), harness.free_port()
        server = self.nginx("script a.lua port=%d;" % first, {"a.lua": ECHO % ""})
        server.start()
        server.configure("script a.lua port=%d;" % second)
        old, _ = server.reload()
        server.wait_gone(old)
        self.assertEqual(self.request(second, b"x"), b"x")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first), 5)

    def test_nobody_is_refused_while_nginx_reloads_again_and_again(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                port = harness.free_port()
                server = self.nginx("backend %s; linger 2s; script a.lua port=%d;" % (backend, port),
                                    {"a.lua": ECHO % ""}, workers=2)
                server.start()
                failures, answers, stop = [], [0], threading.Event()

                def connect():
                    while not stop.is_set():
                        try:
                            with socket.create_connection(("127.0.0.1", port), 5):
                                pass
                        except OSError as e:
                            failures.append(e)

                def ask():
                    while not stop.is_set():
                        if self.request(port, b"x") == b"x":
                            answers[0] += 1
                threads = [threading.Thread(target=f) for f in (connect, ask)]
                for thread in threads:
                    thread.start()
                try:
                    for _ in range(5):
                        before = answers[0]
                        old, _ = server.reload()
                        server.wait_gone(old)
                        harness.wait_for(lambda: answers[0] > before, "an answer after the reload")
                finally:
                    stop.set()
                    for thread in threads:
                        thread.join()
                self.assertEqual(failures, [])
                self.assertEqual(len(server.workers()), 2)

    def descriptors(self, pid):
        return len(os.listdir("/proc/%d/fd" % pid))

    def test_reloads_leave_no_descriptors_in_the_master(self):
        server = self.nginx("script a.lua port=%d;" % harness.free_port(), {"a.lua": ECHO % ""})
        server.start()
        old, _ = server.reload()
        server.wait_gone(old)
        before = self.descriptors(server.process.pid)
        for _ in range(4):
            old, _ = server.reload()
            server.wait_gone(old)
        harness.wait_for(lambda: self.descriptors(server.process.pid) <= before, "descriptors to return")

    def test_a_reload_under_traffic_loses_nothing(self):
        """The old worker ends its own side and reads until libzmq ends its; libzmq goes on with the new worker."""
        source, target = harness.free_port(), harness.free_port()
        script = BUFFER.replace('if n == tonumber(cfg.expect) then sb.log.notice("have all") end', "") + """
sb.every(3600, function(exiting) if exiting then sb.log.notice("took no more after", n) end end)
"""
        server = self.nginx("linger 10s; script a.lua from=%d to=%d;" % (source, target), {"a.lua": script})
        server.start()
        out = self.connect(zmq.PULL, target, rcvhwm=0)
        into = self.connect(zmq.PUSH, source)
        stop, sent = threading.Event(), [0]

        def send():
            while not stop.is_set():
                into.send(b"%d" % sent[0])
                sent[0] += 1
        thread = threading.Thread(target=send)
        thread.start()
        try:
            harness.wait_for(lambda: sent[0] > 5000, "traffic")
            old, _ = server.reload()
            server.wait_gone(old)
            mark = sent[0]
            harness.wait_for(lambda: sent[0] > mark + 1000, "traffic after the reload")
        finally:
            stop.set()
            thread.join()
        into.send(b"last")
        got = []
        while not got or got[-1] != b"last":
            got.append(out.recv())
        numbers = [int(g) for g in got[:-1]]
        self.assertEqual(len(numbers), len(set(numbers)), "a message came twice")
        self.assertEqual(len(numbers), sent[0], "messages are missing")
        self.assertIn("signalbox: drained, 0 messages unsent", server.log())
        self.assertGreater(numbers[-1], mark)

    def test_a_killed_worker_is_replaced_and_accepts_again(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                port = harness.free_port()
                server = self.nginx("backend %s; script a.lua port=%d;" % (backend, port), {"a.lua": ECHO % ""},
                                    workers=2)
                server.start()
                self.assertEqual(self.request(port, b"x"), b"x")
                os.kill(server.owner(), signal.SIGKILL)
                server.wait_ready()
                self.assertEqual(self.request(port, b"y"), b"y")
                server.quit()

    def test_only_the_owner_runs_the_script(self):
        port = harness.free_port()
        server = self.nginx("worker 2; script a.lua port=%d;" % port, {"a.lua": ECHO % ""}, workers=3,
                            events="accept_mutex on;")
        server.start()
        for _ in range(30):
            self.assertEqual(self.request(port, b"x"), b"x")
        self.assertEqual(len(re.findall("signalbox: ready", server.log())), 1)
        server.quit()

    def test_the_module_alone_does_nothing(self):
        server = self.nginx(None, workers=2)
        server.launch()
        server.wait_log("start worker process ")
        self.assertEqual(server.quit(), 0)
        self.assertNotIn("signalbox", server.log())

    def test_a_block_can_come_and_go_with_a_reload(self):
        port = harness.free_port()
        server = self.nginx(None, {"a.lua": ECHO % ""})
        server.launch()
        server.wait_log("start worker process ")
        harness.wait_for(server.workers, "a worker")
        server.configure("script a.lua port=%d;" % port)
        old, _ = server.reload()
        server.wait_gone(old)
        self.assertEqual(self.request(port, b"x"), b"x")
        old = server.workers()
        server.configure(None)
        server.signal(signal.SIGHUP)
        server.wait_gone(old)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        server.quit()

    def test_a_limit_of_descriptors_below_max_peers_is_told(self):
        server = self.nginx("max_peers 5000; script a.lua port=%d;" % harness.free_port(), {"a.lua": ECHO % ""},
                            main="worker_rlimit_nofile 1000;")
        server.start()
        server.wait_log(r"\[warn\].*signalbox: max_peers 5000 .*worker_rlimit_nofile")
        server.quit()

    def test_it_takes_as_many_workers_as_nginx_likes(self):
        port = harness.free_port()
        server = self.nginx("script a.lua port=%d;" % port, {"a.lua": ECHO % ""}, workers="auto")
        server.start()
        harness.wait_for(lambda: len(server.workers()) == len(os.sched_getaffinity(0)), "a worker per processor")
        self.assertEqual(self.request(port, b"x"), b"x")
        self.assertEqual(server.log().count("signalbox: ready"), 1)
        server.quit()

    def test_workers_need_no_privileges(self):
        if os.geteuid() != 0:
            self.skipTest("only root's nginx drops privileges")
        for backend in harness.backends():
            with self.subTest(backend=backend):
                port = harness.free_port()
                server = self.nginx("backend %s; zone z 64k; script a.lua port=%d;" % (backend, port), {"a.lua": ECHO % ""},
                                    main="user nobody nogroup;")
                server.start()
                with open("/proc/%d/status" % server.owner()) as f:
                    status = f.read()
                self.assertEqual(set(re.search(r"Uid:(.*)", status).group(1).split()), {"65534"})
                self.assertEqual(int(re.search(r"CapEff:\s*(\w+)", status).group(1), 16), 0)
                self.assertEqual(self.request(port, b"x"), b"x")
                old, _ = server.reload()
                server.wait_gone(old)
                self.assertEqual(self.request(port, b"x"), b"x")
                server.quit()

    def test_it_lives_beside_http(self):
        port, web = harness.free_port(), harness.free_port()
        server = self.nginx("script a.lua port=%d;" % port, {"a.lua": ECHO % ""}, workers=2,
                            http="server { listen 127.0.0.1:%d; return 200 hello; }" % web)
        server.start()
        for _ in range(10):
            self.assertEqual(self.request(port, b"x"), b"x")
            with socket.create_connection(("127.0.0.1", web), 5) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: s.recv(4096), b""))
            self.assertTrue(answer.endswith(b"hello"), answer)
        server.quit()

    def test_a_new_binary_takes_the_sockets_over(self):
        port = harness.free_port()
        server = self.nginx("script a.lua port=%d;" % port, {"a.lua": ECHO % ""}, daemon=True)
        server.start()
        first = server.process
        server.signal(signal.SIGUSR2)
        server.wait_log("using inherited sockets")
        server.wait_ready()
        server.quit()
        server.process = harness.Daemon(server.read_pid())
        self.assertNotEqual(server.process.pid, first.pid)
        self.assertEqual(self.request(port, b"x"), b"x")
        server.quit()

    def test_with_too_few_connections_nginx_still_runs(self):
        server = self.nginx("script a.lua port=%d;" % harness.free_port(), {"a.lua": ECHO % ""})
        with open(server.conf_path) as f:
            text = f.read()
        server.write("nginx.conf", text.replace("worker_connections 512", "worker_connections 2"))
        server.expected.append("this worker runs without it")
        server.launch()
        server.wait_log(r"\[emerg\].*signalbox: worker_connections are not enough: 3 more")
        server.quit()


if __name__ == "__main__":
    harness.main()
