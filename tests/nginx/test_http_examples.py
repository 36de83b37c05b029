"""The examples in examples/nginx, each with its own configuration, and what a real browser sees of HTTP."""
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request

import zmq
import zmq.auth

import harness
from test_http_request import Service
from test_http_subscribe import Events
from websocket import WebSocket

FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "nginx")
CHROMIUM = shutil.which("chromium")
PROMETHEUS = shutil.which("prometheus")

# A page that uses what a browser has, and posts what it got.
PAGE = """<!doctype html>
<script>
const got = { events: [], said: [] };
const report = () => {
    if (got.events.length === 3 && got.said.length === 2)
        fetch("/report", { method: "POST", body: JSON.stringify(got) });
};
const source = new EventSource("/events/tick");
source.onmessage = event => { got.events.push([event.data, event.lastEventId !== ""]); report(); };
source.onopen = () => fetch("/into/tick", { method: "POST", body: "from the page" });
const socket = new WebSocket(location.origin.replace("http", "ws") + "/rooms/a");
socket.onopen = () => { socket.send("text \\u00e9"); socket.send("second"); };
socket.onmessage = event => { got.said.push(event.data); report(); };
</script>
"""

BROWSER = """
local sb = require "signalbox"
local cfg = ...
local report = sb.push { name = "report", bind = cfg.report }
local into, said = sb.pull { name = "into" }, sb.pull { name = "said" }
local feed, rooms = sb.pub { name = "feed" }, sb.xpub { name = "rooms" }
local ticks = sb.pull { name = "ticks", bind = cfg.ticks }
into:pipe(feed); ticks:pipe(feed); said:pipe(rooms)
"""

BROWSER_HTTP = """
types { text/html html; }
server {
  listen 127.0.0.1:%(port)d; root %(folder)s; index page.html;
  location /events/ { signalbox_subscribe feed; }
  location /into/ { signalbox_publish into frames=topic,body; }
  location /rooms/ { signalbox_subscribe rooms publish=said; }
  location /report { signalbox_publish report; }
}
"""


class Examples(harness.NginxTest):
    def example(self, name, workers=2, **args):
        """Starts examples/nginx/NAME.conf as it is, but for ports, user and places."""
        self.port = harness.free_port()
        self.ends = {key: "tcp://127.0.0.1:%d" % harness.free_port() for key in args.pop("ends", "").split()}
        server = self.nginx(None, workers=workers)
        for file in os.listdir(FOLDER):
            shutil.copy(os.path.join(FOLDER, file), server.prefix)
        with open(os.path.join(FOLDER, name + ".conf")) as f:
            conf = f.read()
        words = " ".join("%s=%s" % item for item in {**self.ends, **args}.items())
        for old, new in (("load_module modules/ngx_signalbox_module.so;", "load_module %s; worker_processes %d; daemon off; "
                          "error_log error.log info; pid nginx.pid;" % (harness.MODULE, workers)),
                         ("listen 8080;", "listen 127.0.0.1:%d;" % self.port),
                         ("script %s.lua" % name, "script %s.lua %s" % (name, words)),
                         ("http {", "http { " + "".join("%s_temp_path %s; " % (k, k) for k in
                                                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")))):
            self.assertTrue(old in conf or old == "http {" or old == "listen 8080;", old)
            conf = conf.replace(old, new)
        server.write("nginx.conf", conf)
        return server

    def ask(self, method, path, body=None, headers=None):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        try:
            conn.request(method, path, body, headers or {})
            reply = conn.getresponse()
            return reply.status, reply.read()
        finally:
            conn.close()

    def worker(self, end, answer):
        service = Service(int(self.ends[end].rsplit(":", 1)[1]), answer)
        self.addCleanup(service.stop)

    def test_api(self):
        self.example("api", ends="orders users").start()
        self.worker("orders", lambda f: [b"200", b'{"content-type":"application/json"}', b'{"order":"%s"}' % f[1][12:]])
        self.worker("users", lambda f: [b"201", b"hello " + f[3]])
        self.assertEqual(self.ask("GET", "/api/health"), (200, b"well"))
        self.assertEqual(self.ask("GET", "/api/orders/17"), (200, b'{"order":"17"}'))
        self.assertEqual(self.ask("POST", "/api/users", b"ann"), (201, b"hello ann"))
        self.assertEqual(self.ask("GET", "/api/nothing")[0], 404)

    def test_ticker(self):
        self.example("ticker", ends="into feed").start()
        push = self.connect(zmq.PUSH, self.ends["into"])
        self.assertIn(b"EventSource", self.ask("GET", "/")[1])
        with Events(self.port, "/events/price.") as page:
            push.send_multipart([b"price.GOLD", b"2400"])
            self.assertEqual(page.next()[1:], ("price.GOLD", "2400"))

    def test_chat(self):
        self.example("chat").start()
        self.assertIn(b"WebSocket", self.ask("GET", "/")[1])
        with WebSocket(self.port, "/rooms/a") as ann, WebSocket(self.port, "/rooms/a") as ben, \
                WebSocket(self.port, "/rooms/b") as cid:
            ann.send(b"  ")
            ann.send(b"hello")
            self.assertEqual((ann.recv(), ben.recv()), (b"hello", b"hello"))
            cid.send(b"alone")
            self.assertEqual(cid.recv(), b"alone")
        self.assertEqual(WebSocket(self.port, "/rooms/").status, 403)

    def test_webhook(self):
        self.example("webhook", ends="work dead").start()
        work, dead = self.connect(zmq.PULL, self.ends["work"]), self.connect(zmq.PULL, self.ends["dead"])
        self.assertEqual(self.ask("POST", "/hook", b'{"type":"paid"}')[0], 202)
        self.assertEqual(work.recv_multipart(), [b"paid", b'{"type":"paid"}'])
        self.assertEqual(self.ask("POST", "/hook", b"{}")[0], 202)
        head, body = dead.recv_multipart()
        self.assertEqual((json.loads(head)["reason"], body), ("no type", b"{}"))

    def test_curve_edge(self):
        server = self.example("curve-edge", ends="edge inside")
        os.mkdir(server.path("clients"))
        keys = {}
        for name in ("server", "client"):
            subprocess.run([os.path.join(harness.BUILD, "signalbox"), "keygen", "--out", server.path(name + ".key")], check=True)
            os.chmod(server.path(name + ".key"), 0o644)  # for the worker's user
            keys[name] = zmq.auth.load_certificate(server.path(name + ".key"))
        shutil.copy(server.path("client.key.pub"), server.path("clients"))
        with open(server.conf_path) as f:
            conf = f.read()
        server.write("nginx.conf", conf.replace("key=server.key clients=clients", "key=%s clients=%s" % (
            server.path("server.key"), server.path("clients"))))
        server.start()
        rep = self.connect(zmq.REP, self.ends["inside"])
        client = self.socket(zmq.REQ, curve_serverkey=keys["server"][0], curve_publickey=keys["client"][0],
                             curve_secretkey=keys["client"][1])
        client.connect(self.ends["edge"])
        client.send(b"through")
        self.assertEqual(rep.recv(), b"through")
        rep.send(b"and back")
        self.assertEqual(client.recv(), b"and back")
        plain = self.connect(zmq.REQ, self.ends["edge"], rcvtimeo=500)
        plain.send(b"let me in")
        self.assertFalse(rep.poll(500))

    def query(self, port, text):
        """What Prometheus knows: {labels of interest: value}."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/query?query=%s" % (port, urllib.parse.quote(text)),
                                        timeout=harness.PATIENCE) as reply:
                return [float(r["value"][1]) for r in json.loads(reply.read())["data"]["result"]]
        except OSError:
            return None  # it is starting

    def prometheus(self, server):
        """The example's own configuration, but for the place and a shorter interval."""
        port = harness.free_port()
        with open(server.path("metrics.prometheus.yml")) as f:
            text = f.read()
        self.assertIn("localhost:8080", text)
        server.write("metrics.prometheus.yml", text.replace("localhost:8080", "127.0.0.1:%d" % self.port).replace("10s", "1s"))
        process = subprocess.Popen([PROMETHEUS, "--config.file", server.path("metrics.prometheus.yml"), "--storage.tsdb.path",
                                    server.path("tsdb"), "--web.listen-address", "127.0.0.1:%d" % port],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return port

    def test_metrics(self):
        self.assertIsNotNone(PROMETHEUS, "prometheus is missing: scripts/deps.sh")
        server = self.example("metrics", ends="orders work").start()
        subprocess.run(["promtool", "check", "config", server.path("metrics.prometheus.yml")], check=True, capture_output=True)
        work = self.connect(zmq.PULL, self.ends["work"])
        for _ in range(7):
            self.assertEqual(self.ask("POST", "/orders/", b"book")[0], 202)
            self.assertEqual(work.recv(), b"book")
        port = self.prometheus(server)
        for text, value in (('signalbox_messages_total{socket="work",dir="out"}', 7.0), ("shop_orders_total", 7.0),
                            ("shop_last_order_bytes", 4.0), ('up{job="signalbox"}', 1.0)):
            harness.wait_for(lambda t=text, v=value: self.query(port, t) == [v], "%s to be %s" % (text, value))
        self.assertIn(b"<!doctype html>", self.ask("GET", "/")[1].lower())
        self.check_rules(server)

    def check_rules(self, server):
        """Rules and dashboard ask for families that there are."""
        _, text = self.ask("GET", "/metrics")
        families = set(re.findall(r"^([a-z_]+)[ {]", text.decode(), re.M)) | {"signalbox_script_seconds_bucket"}
        with open(server.path("metrics.alerts.yml")) as f:
            asked = set(re.findall(r"signalbox_[a-z_]+", f.read()))
        self.assertTrue(asked and asked <= families, asked - families)
        with open(server.path("metrics.grafana.yml")) as f:
            board = re.search(r"packaging/\S+\.json", f.read()).group()
        with open(os.path.join(FOLDER, "..", "..", board)) as f:
            self.assertTrue(json.load(f)["panels"])

    def test_canary(self):
        self.example("canary", ends="old new").start()
        self.worker("old", lambda f: [b"old"])
        self.worker("new", lambda f: [b"new"])
        harness.wait_for(lambda: self.ask("GET", "/", headers={"X-Canary": "yes"})[1] == b"new", "the new one")
        got = [self.ask("GET", "/")[1] for _ in range(200)]
        self.assertEqual((got.count(b"old"), got.count(b"new")), (180, 20))

    def test_a_browser_uses_event_source_and_websocket(self):
        self.assertIsNotNone(CHROMIUM, "chromium is missing: scripts/deps.sh")
        for backend in harness.backends():
            with self.subTest(backend=backend):
                port = harness.free_port()
                ends = {key: "tcp://127.0.0.1:%d" % harness.free_port() for key in ("report", "ticks")}
                block = "backend %s; script a.lua report=%s ticks=%s;" % (backend, ends["report"], ends["ticks"])
                server = self.nginx(block, {"a.lua": BROWSER, "page.html": PAGE}, workers=2)
                server.configure(block, http=BROWSER_HTTP % dict(port=port, folder=server.prefix))
                server.start()
                report, ticks = self.connect(zmq.PULL, ends["report"]), self.connect(zmq.PUSH, ends["ticks"])
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
                    browser = subprocess.Popen(
                        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync",
                         "--user-data-dir=" + home, "--remote-debugging-port=0", "http://127.0.0.1:%d/" % port],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    try:
                        watcher = Events(port, "/events/tick")
                        self.assertEqual(watcher.data(), "from the page")
                        ticks.send_multipart([b"tick", b"one\ntwo"])
                        ticks.send_multipart([b"tick", "é".encode()])
                        report.rcvtimeo = 60000
                        got = json.loads(report.recv())
                        watcher.close()
                    finally:
                        browser.terminate()
                        browser.wait(harness.PATIENCE)
                self.assertEqual(got["events"], [["from the page", True], ["one\ntwo", True], ["é", True]])
                self.assertEqual(got["said"], ["text é", "second"])
                server.quit()


if __name__ == "__main__":
    harness.main()
