"""signalbox_log: a line per message that was routed, written by a real nginx, kept over USR1 and the worker's end."""
import os
import re
import signal
import unittest

import zmq

import harness

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.front, router_mandatory = true }
local eu = sb.dealer { name = "eu", bind = "tcp://127.0.0.1:" .. cfg.eu }
front:route {
  { frame = 1, prefix = "order.eu.", to = eu },
  { frame = 1, equals = "PING", reply = "PONG" },
  { frame = 1, prefix = "no.", to = function() return sb.DROP, "not today" end },
}
eu:route { { to = front } }
"""

HTTP = """
log_format signalbox '$signalbox_socket|$signalbox_topic|$signalbox_peer|$signalbox_size|$signalbox_route|$signalbox_action';
server {
  listen 127.0.0.1:%(port)d;
  access_log %(log)s signalbox;
  location /rpc/ { signalbox_request front frames=$arg_t,body timeout=2s; }
  location /plain { return 204; }
}
"""


class Access(harness.NginxTest):
    def serve(self, directive, backend="auto", workers=1, more="", http=""):
        self.front, self.eu = harness.free_port(), harness.free_port()
        block = "script a.lua front=%d eu=%d; backend %s; %s %s" % (self.front, self.eu, backend, directive, more)
        return self.nginx(block, scripts={"a.lua": SCRIPT}, workers=workers, http=http)

    def lines(self, server, name="messages.log"):
        try:
            with open(server.path(name)) as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def wait_lines(self, server, n, name="messages.log"):
        harness.wait_for(lambda: len(self.lines(server, name)) >= n, "%d lines in %s: %s" % (n, name, self.lines(server, name)))
        return self.lines(server, name)

    def ping(self, client, n=1):
        for _ in range(n):
            client.send(b"PING")
            self.assertEqual(client.recv(), b"PONG")

    def test_every_message_is_a_line(self):
        for backend in harness.backends():
            with self.subTest(backend):
                server = self.serve("signalbox_log messages.log flush=20ms;", backend).start()
                client = self.connect(zmq.DEALER, self.front)
                worker = self.connect(zmq.DEALER, self.eu)
                client.send_multipart([b"order.eu.7", b"umbrella"])
                worker.send_multipart(worker.recv_multipart())
                self.assertEqual(client.recv_multipart()[0], b"order.eu.7")
                self.ping(client)
                client.send(b"no.thing")
                client.send(b'odd "\n')
                when, peer = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d ", r"tcp://127\.0\.0\.1:\d+ "
                lines = self.wait_lines(server, 5)
                for line, pattern in zip(lines, ('front "order.eu.7" 18 1 to eu$', 'eu "order.eu.7" 18 1 to front$', 'front "PING" 4 2 reply -$',
                                                 'front "no.thing" 8 3 drop -$', r'front "odd \\x22\\x0A" 6 - dead -$')):
                    self.assertRegex(line, when + peer + pattern)
                self.assertEqual(len(lines), 5)
                server.quit()

    def test_a_burst_is_a_line_each_although_runs_go_together_without_a_log(self):
        server = self.serve("signalbox_log messages.log '$signalbox_topic $signalbox_target';").start()
        client, worker = self.connect(zmq.DEALER, self.front), self.connect(zmq.DEALER, self.eu)
        self.ping(client)
        for i in range(5000):
            client.send(b"order.eu.%d" % i)
        for i in range(5000):
            self.assertEqual(worker.recv_multipart()[-1], b"order.eu.%d" % i)
        server.quit()
        self.assertEqual(self.lines(server)[1:], ["order.eu.%d eu" % i for i in range(5000)])

    def test_the_end_of_the_worker_writes_what_is_buffered(self):
        for end in (lambda s: s.quit(), lambda s: (s.signal(signal.SIGTERM), s.wait_end())):
            server = self.serve("signalbox_log messages.log flush=1h;").start()
            self.ping(self.connect(zmq.DEALER, self.front), 3)
            self.assertEqual(self.lines(server), [])
            end(server)
            self.assertEqual(len(self.lines(server)), 3)

    def test_usr1_opens_the_file_anew_and_no_line_is_lost(self):
        server = self.serve("signalbox_log messages.log $signalbox_topic flush=1h;").start()
        client = self.connect(zmq.DEALER, self.front)
        total = 0
        for i in range(5):
            self.ping(client, 10)
            total += 10
            os.rename(server.path("messages.log"), server.path("old.%d" % i))
            server.signal(signal.SIGUSR1)
            harness.wait_for(lambda: os.path.exists(server.path("messages.log")), "the new file")
            harness.wait_for(lambda n=i: len(self.lines(server, "old.%d" % n)) >= 10, "the buffer in the old file")
        server.quit()
        kept = sum(len(self.lines(server, "old.%d" % i)) for i in range(5))
        self.assertEqual(kept + len(self.lines(server)), total)

    def test_a_full_buffer_is_written_at_once(self):
        server = self.serve("signalbox_log messages.log '$signalbox_topic %s' buffer=8k flush=1h;" % ("x" * 1000)).start()
        self.ping(self.connect(zmq.DEALER, self.front), 20)
        self.assertGreater(len(self.wait_lines(server, 1)), 0)
        server.quit()
        self.assertEqual(len(self.lines(server)), 20)

    def test_samples_actions_and_several_logs(self):
        server = self.serve("signalbox_log all.log $signalbox_action; signalbox_log some.log $signalbox_action sample=4;"
                            "signalbox_log bad.log '{\"why\":\"$signalbox_reason\"}' escape=json if=drop,dead;").start()
        client = self.connect(zmq.DEALER, self.front)
        self.ping(client, 16)
        client.send(b"no.1")
        client.send(b"what")
        self.assertEqual(len(self.wait_lines(server, 18, "all.log")), 18)
        self.assertEqual(self.wait_lines(server, 2, "bad.log"), ['{"why":"not today"}', '{"why":"no route"}'])
        server.quit()
        self.assertEqual(len(self.lines(server, "some.log")), 5)

    def test_off_is_off(self):
        server = self.serve("signalbox_log messages.log; signalbox_log off;").start()
        self.ping(self.connect(zmq.DEALER, self.front), 3)
        server.quit()
        self.assertEqual(self.lines(server), [])

    def test_every_worker_writes(self):
        server = self.serve("signalbox_log messages.log $signalbox_worker flush=10ms;", workers=2, more="worker all;").start()
        for _ in range(40):
            self.ping(self.connect(zmq.DEALER, self.front))
            if len(set(self.lines(server))) == 2:
                break
        harness.wait_for(lambda: set(self.lines(server)) == {"0", "1"}, "lines of both workers")
        server.quit()

    def test_mistakes_are_found_by_nginx_t(self):
        for directive, text in (
                ("signalbox_log m.log $signalbox_topci;", r'unknown variable "\$signalbox_topci", did you mean "\$signalbox_topic"\? in .*nginx\.conf:\d+'),
                ("signalbox_log m.log sample=0;", r'"sample=0" must be a number above zero.*nginx\.conf:\d+'),
                ("signalbox_log m.log buffer=1k;", r'"buffer=1k" must be a size from 4k'),
                ("signalbox_log m.log if=lost;", r'unknown action "lost", there are to, reply, handled, drop, dead in'),
                ("signalbox_log m.log gzip=4;", r'unknown parameter "gzip=4", there are buffer='),
                ("signalbox_log m.log; signalbox_log m.log;", r'"m\.log" is another log\'s file'),
                ("signalbox_log;", r"usage: signalbox_log PATH")):
            with self.subTest(directive):
                server = self.serve(directive)
                server.expected.append("signalbox")
                code, said = server.test()
                self.assertEqual(code, 1, said)
                self.assertRegex(said, text)

    def test_the_examples_of_the_page_are_right(self):
        path = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "nginx.md")
        with open(path, encoding="utf-8") as f:
            examples = re.findall(r"^    (signalbox_log logs/.*;)$", f.read(), re.M)
        self.assertGreaterEqual(len(examples), 2)
        server = self.serve(" ".join(examples))
        os.mkdir(server.path("logs"))
        self.assertEqual(server.test()[0], 0, server.log())
        server.start()
        client = self.connect(zmq.DEALER, self.front)
        self.ping(client)
        client.send(b"no.1")
        self.wait_lines(server, 2, "logs/messages.log")
        self.assertRegex(self.wait_lines(server, 1, "logs/lost.log")[0], r'^\{"peer":"tcp://127\.0\.0\.1:\d+","why":"not today"\}$')
        server.quit()

    def test_variables_tell_http_requests_too(self):
        port = harness.free_port()
        server = self.serve("", http=HTTP % {"port": port, "log": "http.log"}).start()
        self.assertEqual(self.http(port, "/rpc/x?t=PING"), 200)
        self.assertEqual(self.http(port, "/plain"), 204)
        lines = self.wait_lines(server, 2, "http.log")
        self.assertRegex(lines[0], r"^front\|x\|tcp://127\.0\.0\.1:\d+\|4\|request\|ok$")
        self.assertEqual(lines[1], "-|-|-|-|-|-")
        server.quit()

    def http(self, port, path):
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.PATIENCE)
        c.request("GET", path)
        status = c.getresponse().status
        c.close()
        return status


if __name__ == "__main__":
    harness.main()
