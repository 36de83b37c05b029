"""signalbox_status and signalbox_metrics: JSON, a page in a real browser, Prometheus' text; from every worker."""
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import zmq

import harness

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.front }
local eu = sb.dealer { name = "eu", bind = "tcp://127.0.0.1:" .. cfg.eu }
local us = sb.dealer { name = "us", bind = "tcp://127.0.0.1:" .. cfg.us }
local dlq = sb.push { name = "dlq", bind = "inproc://dlq", sndhwm = 5 }
local trash = sb.pull { name = "trash", connect = "inproc://dlq" }
trash:on_message(function() end)
sb.dead_letter(dlq)
front:route {
  { frame = 1, prefix = "order.eu.", to = eu },
  { frame = 1, prefix = "order.", to = { us, eu, weight = { 90, 10 } } },
  { frame = 1, equals = "PING", reply = "PONG" },
  { frame = 1, prefix = "bad", to = function(msg) error("no such thing as " .. msg[1]) end },
  { to = dlq, reason = "no route" },
}
eu:route { { to = front } }
us:route { { to = front } }
local feed = sb.xpub { name = "feed", bind = "tcp://127.0.0.1:" .. cfg.feed }
sb.metrics { counter = "orders_total", help = "Orders seen." }:add(3)
"""

HTTP = """
server {
  listen 127.0.0.1:%(port)d;
  location = /signalbox { signalbox_status; }
  location = /metrics { signalbox_metrics; }
}
"""

CHROMIUM = shutil.which("chromium")


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


class Status(harness.NginxTest):
    def serve(self, backend="auto", workers=2, zone=""):
        ports = {name: harness.free_port() for name in ("front", "eu", "us", "feed")}
        self.http = harness.free_port()
        block = "script a.lua %s; backend %s; %s" % (" ".join("%s=%d" % p for p in ports.items()), backend, zone)
        server = self.nginx(block, scripts={"a.lua": SCRIPT}, workers=workers, http=HTTP % {"port": self.http})
        server.start()
        return server, ports

    def talk(self, ports):
        """A client and a worker exchange ten orders, and three messages go wrong."""
        worker = self.connect(zmq.DEALER, ports["eu"])
        client = self.connect(zmq.DEALER, ports["front"])
        sub = self.connect(zmq.SUB, ports["feed"])
        sub.subscribe(b"tick.eur.")
        sub.subscribe(b"tick.usd.")
        for i in range(10):
            client.send_multipart([b"order.eu.%d" % i, b"umbrella"])
            worker.send_multipart(worker.recv_multipart())
            client.recv_multipart()
        for text in (b"bad 1", b"bad 2", b"what?"):
            client.send(text)
        client.send(b"PING")
        self.assertEqual(client.recv(), b"PONG")

    def status(self):
        code, headers, text = get(self.http, "/signalbox?format=json")
        self.assertEqual((code, headers["content-type"]), (200, "application/json"))
        return json.loads(text)

    def wait_subscribed(self):
        def look():
            return {s["name"]: s for s in self.status()["sockets"]}["feed"]["subscriptions"] == 2
        harness.wait_for(look, "both subscriptions")

    def test_json_tells_what_happened_from_every_worker(self):
        for backend in harness.backends():
            with self.subTest(backend):
                server, ports = self.serve(backend)
                self.talk(ports)
                self.wait_subscribed()
                for _ in range(6):  # connections spread over the workers
                    now = self.status()
                    sockets = {s["name"]: s for s in now["sockets"]}
                    self.assertEqual(now["pid"], server.owner())
                    self.assertEqual(now["backend"], backend)
                    rows = [r["messages"] for r in sockets["front"]["routes"]]
                    self.assertEqual(rows, [10, 0, 1, 2, 1])
                    self.assertEqual(sockets["eu"]["messages"], {"in": 10, "out": 10})
                    self.assertEqual([t["topic"] for t in sockets["feed"]["topics"]], ["tick.eur.", "tick.usd."])
                    fault = now["scripts"][0]["faults"][0]
                    self.assertEqual((fault["where"], fault["count"]), ("a.lua:15", 2))
                    self.assertEqual(now["scripts"][0]["metrics"], {"orders_total": 3})
                    slow = {h["what"]: h for h in now["scripts"][0]["slowest"]}
                    self.assertTrue(slow, "no handler was timed")
                    self.assertTrue(all(h["longest"] >= h["mean"] > 0 for h in slow.values()), slow)
                    self.assertEqual(now["totals"], {})
                server.quit()

    def test_totals_of_the_zone_go_on_over_a_reload(self):
        server, ports = self.serve(zone="zone z 1m;", workers=1)
        self.talk(ports)
        name = 'signalbox_messages_total{socket="eu",dir="in"}'
        self.assertEqual(self.status()["totals"][name], 10)
        old, _ = server.reload()
        server.wait_gone(old)
        harness.wait_for(lambda: self.status()["totals"].get(name, 0) >= 10, "the totals of before")
        sockets = {s["name"]: s for s in self.status()["sockets"]}
        self.assertEqual(sockets["eu"]["messages"]["in"], 0)
        self.assertIn(name + " 10\n", get(self.http, "/metrics")[2])
        done = self.browse("--virtual-time-budget=4000", "--timeout=20000", "--dump-dom")
        self.assertRegex(done.stdout, r'id="totals-box" aria-labelledby="h-totals">', done.stderr[-500:])
        server.quit()

    def serve_team(self, backend, listen=""):
        ports = {name: harness.free_port() for name in ("front", "feed")}
        self.http = harness.free_port()
        script = """
local sb = require "signalbox"
local cfg = ...
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.front }
front:route { { frame = 1, equals = "PING", reply = "PONG" }, { drop = true } }
sb.xpub { name = "feed", bind = "tcp://127.0.0.1:" .. cfg.feed }
sb.metrics { gauge = "level" }:set(7)
"""
        server = self.nginx("script a.lua %s; backend %s; worker all; zone z 1m;" % (" ".join("%s=%d" % p for p in ports.items()), backend),
                            scripts={"a.lua": script}, workers=2, http=HTTP % {"port": self.http})
        if listen:
            server.configure("script a.lua %s; worker all; zone z 1m; backend %s;" % (" ".join("%s=%d" % p for p in ports.items()), backend),
                             http=(HTTP % {"port": self.http}).replace("location", listen % server.path("http") + " location", 1))
        return server.start(), ports

    def front(self):
        now = self.status()
        return now, {w["worker"]: w for w in {s["name"]: s for s in now["sockets"]}["front"]["workers"]}

    def connect_to_both(self, port):
        """Clients until each of the two workers has one; how many."""
        clients = []
        def both():
            clients.append(self.connect(zmq.DEALER, port))
            clients[-1].send(b"PING")
            self.assertEqual(clients[-1].recv(), b"PONG")
            harness.wait_for(lambda: sum(w["peers"] for w in self.front()[1].values()) == len(clients), "all peers to be told")
            return len(clients) > 1 and all(w["peers"] > 0 for w in self.front()[1].values())
        harness.wait_for(both, "peers of both workers")
        return len(clients)

    def test_every_worker_shows_what_all_workers_have_now(self):
        for backend in harness.backends():
            with self.subTest(backend):
                server, ports = self.serve_team(backend)
                n = self.connect_to_both(ports["front"])
                answered = set()
                def look():
                    now, workers = self.front()
                    answered.add(now["worker"])
                    self.assertEqual((now["workers"], set(workers)), (2, {0, 1}))
                    self.assertEqual(sum(w["peers"] for w in workers.values()), n)
                    return len(answered) == 2
                harness.wait_for(look, "both workers to answer")
                harness.wait_for(lambda: sum(w["messages"]["in"] for w in self.front()[1].values()) == n, "all messages to be told")
                _, _, text = get(self.http, "/metrics")
                peers = dict(re.findall(r'^signalbox_peers\{socket="front",worker="(\d)"\} (\d+)$', text, re.M))
                self.assertEqual((set(peers), sum(map(int, peers.values()))), ({"0", "1"}, n))
                for worker in "01":
                    self.assertIn('level{script="a.lua",worker="%s"} 7\n' % worker, text)
                self.assertIn('signalbox_messages_total{socket="front",dir="in"} %d\n' % n, text)
                self.check_with_promtool(text)
                server.quit()

    def test_the_page_chooses_among_workers(self):
        server, ports = self.serve_team("uv")
        n = self.connect_to_both(ports["front"])
        both = (r'<label id="worker-box">Worker <select id="worker"><option value="">all</option>'
                r'<option value="0">0</option><option value="1">1</option></select>')
        # A worker that has not come round for five seconds, beside a browser on a slow machine, is not believed.
        for _ in range(5):
            dom = self.browse("--virtual-time-budget=6000", "--timeout=20000", "--dump-dom").stdout
            if re.search(both, dom):
                break
        self.assertRegex(dom, both)
        self.assertRegex(dom, r'>front <span class="type">ROUTER</span></th><td[^>]*>%d</td>' % n)
        self.assertIn('<div id="trouble" role="alert"></div>', dom)
        server.quit()

    def test_metrics_are_prometheus_text(self):
        server, ports = self.serve()
        self.talk(ports)
        code, headers, text = get(self.http, "/metrics")
        self.assertEqual(code, 200)
        self.assertEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        for line in ('signalbox_messages_total{socket="eu",dir="in"} 10', 'signalbox_peers{socket="feed"} 1',
                     'signalbox_handshakes_delayed_total{socket="front"} 0', 'signalbox_script_errors_total{script="a.lua"} 2', 'orders_total{script="a.lua"} 3'):
            self.assertIn(line + "\n", text)
        names = re.findall(r"^# TYPE (\S+)", text, re.M)
        self.assertEqual(len(names), len(set(names)), "a family comes twice")
        samples = re.findall(r"^([a-z_]+(?:\{[^}]*\})?) ", text, re.M)
        self.assertEqual(len(samples), len(set(samples)), "a sample comes twice")
        self.check_with_promtool(text)
        server.quit()

    def test_the_dashboard_asks_for_families_that_there_are(self):
        server, _ = self.serve(workers=1)
        _, _, text = get(self.http, "/metrics")
        families = set(re.findall(r"^([a-z_]+)[ {]", text, re.M))
        path = os.path.join(os.path.dirname(__file__), "..", "..", "packaging", "grafana-signalbox.json")
        with open(path) as f:
            board = json.load(f)
        asked = [t["expr"] for p in board["panels"] for t in p["targets"]]
        self.assertGreater(len(asked), 10)
        for expr in asked:
            for family in re.findall(r"signalbox_[a-z_]+", expr):
                self.assertIn(family, families, expr)
        server.quit()

    def check_with_promtool(self, text):
        promtool = shutil.which("promtool")
        self.assertIsNotNone(promtool, "promtool of Debian's prometheus is missing: scripts/deps.sh")
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def top(self, *words):
        return subprocess.run([os.path.join(harness.BUILD, "signalbox"), "top", "--once", *words], capture_output=True, text=True, timeout=60)

    def test_top_shows_it_in_the_terminal(self):
        server, ports = self.serve()
        self.talk(ports)
        done = self.top("http://127.0.0.1:%d/signalbox" % self.http)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^Signalbox [\d.]+, \w+, process %d\n6 sockets, " % server.owner())
        self.assertRegex(done.stdout, r"\neu +DEALER +1 ")
        self.assertRegex(done.stdout, r"\nLAST ERRORS\na\.lua:15: no such thing as bad 2 ")
        self.assertNotIn("signalbox.", done.stdout)
        done = self.top("http://127.0.0.1:%d/" % self.http)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the server answers 404 Not Found: the path of a signalbox_status location is wanted", done.stderr)
        server.quit()

    def test_top_adds_up_the_workers_over_a_unix_socket(self):
        server, ports = self.serve_team("uv", "listen unix:%s;")
        n = self.connect_to_both(ports["front"])
        look = lambda: re.search(r"\nfront +ROUTER +%d " % n, self.top("unix:%s:/signalbox" % server.path("http")).stdout)
        harness.wait_for(look, "the peers of both workers")
        server.quit()

    def test_only_reading_is_allowed(self):
        server, _ = self.serve(workers=1)
        self.assertEqual(get(self.http, "/signalbox", "POST")[0], 405)
        self.assertEqual(get(self.http, "/metrics", "DELETE")[0], 405)
        code, headers, text = get(self.http, "/signalbox", "HEAD")
        self.assertEqual((code, text), (200, ""))
        self.assertGreater(int(headers["content-length"]), 1000)
        server.quit()

    def test_the_page_needs_nothing_from_elsewhere(self):
        server, _ = self.serve(workers=1)
        code, headers, text = get(self.http, "/signalbox")
        self.assertEqual((code, headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertNotRegex(text.replace("http://www.w3.org/2000/svg", ""), r"https?://|src=|@import|url\(")
        server.quit()

    def browse(self, *options):
        with tempfile.TemporaryDirectory() as home:
            return subprocess.run(
                [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--user-data-dir=" + home, "--window-size=1300,1500", *options,
                 "http://127.0.0.1:%d/signalbox" % self.http],
                capture_output=True, text=True, timeout=180)

    def test_the_page_shows_it_in_a_browser(self):
        self.assertIsNotNone(CHROMIUM, "chromium is missing: scripts/deps.sh")
        server, ports = self.serve()
        self.talk(ports)
        self.wait_subscribed()
        done = self.browse("--virtual-time-budget=8000", "--timeout=20000", "--dump-dom")
        dom = done.stdout
        for text in ('aria-label="front (ROUTER) routes to eu, us', "orders_total 3", "a.lua:15", "no such thing as bad", "order.eu.", "2 topics", "Slowest handlers", "messages/s", 'class="dot"', "process %d" % server.owner()):
            self.assertTrue(text in dom, "%r is not on the page; %s" % (text, done.stderr[-1000:]))
        self.assertTrue('<div id="trouble" role="alert"></div>' in dom, "the page reports trouble")
        server.quit()


if __name__ == "__main__":
    harness.main()
