"""Hooks see who an HTTP client is: peer.address and peer.user_id in route, on_message, pipe, on_subscribe and dead letters,
from whichever worker the client comes."""
import base64
import http.client
import json
import threading

import zmq

import harness

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local function who(peer) return peer.address .. "|" .. peer.user_id .. "|" .. tostring(peer.connected) end
local api = sb.router { name = "api", bind = "tcp://127.0.0.1:" .. cfg.api }
api:on_message(function(msg, peer)
  local before = who(peer)
  if msg[2] == "/router/slow" then sb.sleep(0.02) end
  assert(before == who(peer) and before == who(msg.peer))
  return before .. "|" .. #msg
end)
local table_of = sb.router { name = "table" }
local back = sb.dealer { name = "back", bind = "tcp://127.0.0.1:" .. cfg.back }
table_of:route { { to = function(msg, peer) return peer.user_id == "anna" and back or nil, "not anna" end } }
back:route { { to = table_of } }
local rep = sb.rep { name = "rep" }
rep:on_message(function(msg, peer) return who(peer) .. "|" .. #msg end)
local loop = sb.rep { name = "loop" }
sb.spawn(function() while true do local msg = loop:recv(); loop:send(who(msg.peer) .. "|" .. #msg) end end)
local hook, out = sb.pull { name = "hook" }, sb.push { name = "out", bind = "tcp://127.0.0.1:" .. cfg.out }
hook:pipe(out, function(msg, peer)
  if msg[1] == "bad" then return nil, "bad" end
  return { who(peer), #msg, msg[1] }
end)
local feed = sb.xpub { name = "feed" }
feed:on_subscribe(function(topic, peer)
  local before = who(peer)
  if topic == "slow" then sb.sleep(0.02) end
  assert(before == who(peer))
  return peer.user_id == topic or topic == "slow"
end)
sb.dead_letter(sb.pub { name = "dead", bind = "tcp://127.0.0.1:" .. cfg.dead })
"""

HTTP = """
server {
  listen 127.0.0.1:%(port)d;
  set_real_ip_from 127.0.0.1;
  location /router/ { signalbox_request api user=$arg_user; }
  location /table/ { signalbox_request table user=$arg_user; }
  location /rep/ { signalbox_request rep user=$arg_user; }
  location /loop/ { signalbox_request loop; }
  location /auth/ { auth_basic realm; auth_basic_user_file %(users)s; signalbox_request api user=$remote_user; }
  location /hook/ { signalbox_publish hook user=$arg_user; }
  location /events/ { signalbox_subscribe feed user=$arg_user; }
  location /count { return 200 $connections_active; }
}
"""


class Client(harness.NginxTest):
    def serve(self, backend, workers):
        self.port = harness.free_port()
        ports = {name: harness.free_port() for name in ("api", "back", "out", "dead")}
        args = " ".join("%s=%d" % pair for pair in ports.items())
        server = self.nginx("backend %s; script a.lua %s;" % (backend, args), {"a.lua": SCRIPT}, workers=workers)
        server.write("users", "anna:{PLAIN}secret\n")
        server.configure("backend %s; script a.lua %s;" % (backend, args),
                         http=HTTP % dict(port=self.port, users=server.path("users")))
        server.start()
        self.ports = ports
        return server

    def ask(self, path, headers=None, method="GET", body=None):
        """Status, body and the client's own address."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        try:
            conn.connect()
            own = "tcp://127.0.0.1:%d" % conn.sock.getsockname()[1]
            conn.request(method, path, body, headers or {})
            reply = conn.getresponse()
            return reply.status, reply.read().decode() if reply.getheader("Content-Length") else "", own
        finally:
            conn.close()

    def each(self, test, workers=(1, 3)):
        for backend in harness.backends():
            for n in workers:
                with self.subTest(backend=backend, workers=n):
                    server = self.serve(backend, n)
                    test(server, n)
                    server.quit()


    def test_handlers_see_the_client(self):
        def test(server, workers):
            for i in range(12 * workers):  # new connections: every worker gets some
                for place in ("router", "rep"):
                    status, body, own = self.ask("/%s/?user=u%d" % (place, i))
                    self.assertEqual((status, body), (200, "%s|u%d|true|4" % (own, i)), place)
                status, body, own = self.ask("/loop/")
                self.assertEqual((status, body), (200, own + "||true|4"))
            status, body, _ = self.ask("/router/", {"X-Real-IP": "10.1.2.3"})
            self.assertEqual((status, body.split("|")[0].rsplit(":", 1)[0]), (200, "tcp://10.1.2.3"))
        self.each(test)


    def test_the_user_is_who_nginx_let_in(self):
        def test(server, workers):
            anna = {"Authorization": "Basic " + base64.b64encode(b"anna:secret").decode()}
            wrong = {"Authorization": "Basic " + base64.b64encode(b"anna:wrong").decode()}
            status, body, own = self.ask("/auth/", anna)
            self.assertEqual((status, body), (200, own + "|anna|true|4"))
            self.assertEqual(self.ask("/auth/", wrong)[0], 401)
            self.assertEqual(self.ask("/auth/")[0], 401)
            self.assertEqual(self.ask("/rep/?user=" + 255 * "x")[0], 200)
            self.assertEqual(self.ask("/rep/?user=" + 256 * "x")[0], 403)
            self.assertIn("longer than 255 octets", server.log())
        self.each(test)


    def test_clients_are_not_mixed_up_while_handlers_wait(self):
        def test(server, workers):
            wrong = []

            def client(name):
                for _ in range(10):
                    status, body, own = self.ask("/router/slow?user=" + name)
                    if (status, body) != (200, "%s|%s|true|4" % (own, name)):
                        wrong.append((name, own, status, body))
                    if self.ask("/events/slow?user=%s&poll" % name)[0] not in (200, 204, 504):
                        wrong.append((name, "events"))
            threads = [threading.Thread(target=client, args=("user%d" % i,)) for i in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(120)
            self.assertEqual(wrong, [])
        # Long polls that nothing comes for end with their timeout: short here.
        self.addCleanup(setattr, __import__(__name__), "HTTP", HTTP)
        globals()["HTTP"] = HTTP.replace("signalbox_subscribe feed user", "signalbox_subscribe feed timeout=50ms user")
        self.each(test)


    def test_routes_decide_by_the_user(self):
        def test(server, workers):
            worker = self.connect(zmq.REP, self.ports["back"])
            dead = self.connect(zmq.SUB, self.ports["dead"])
            dead.subscribe(b"")
            stop = threading.Event()

            def serve():
                while not stop.is_set():
                    if worker.poll(20):
                        worker.send(b"%d frames" % len(worker.recv_multipart()))
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                harness.wait_for(lambda: self.ask("/table/?user=anna")[:2] == (200, "4 frames"), "anna to be let through")
                status, _, own = self.ask("/table/?user=bert")
                self.assertEqual(status, 504)
                letter = json.loads(dead.recv_multipart()[0])
                self.assertEqual((letter["reason"], letter["peer"]), ("not anna", own))
            finally:
                stop.set()
                thread.join()
        self.each(test, (2,))


    def test_pipes_see_who_published(self):
        def test(server, workers):
            out = self.connect(zmq.PULL, self.ports["out"])
            dead = self.connect(zmq.SUB, self.ports["dead"])
            dead.subscribe(b"")
            for i in range(10 * workers):
                status, _, own = self.ask("/hook/?user=u%d" % i, method="POST", body="text")
                self.assertEqual(status, 202)
                self.assertEqual(out.recv_multipart(), [("%s|u%d|true" % (own, i)).encode(), b"1", b"text"])

            def refused():
                own = self.ask("/hook/", method="POST", body="bad")[2]
                if not dead.poll(200):
                    return False  # not connected yet
                self.assertEqual(json.loads(dead.recv_multipart()[0])["peer"], own)
                return True
            harness.wait_for(refused, "a dead letter")
        self.each(test)


    def test_on_subscribe_decides_by_the_user(self):
        def test(server, workers):
            for i in range(6 * workers):
                conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
                conn.request("GET", "/events/u%d?user=u%d" % (i, i))
                self.assertEqual(conn.getresponse().status, 200)
                conn.close()
                self.assertEqual(self.ask("/events/u%d?user=other" % i)[0], 403)
        self.each(test)


    def test_a_peer_of_zmtp_cannot_speak_for_others(self):
        def test(server, workers):
            peer = self.connect(zmq.DEALER, self.ports["api"])
            peer.send_multipart([b"tcp://10.0.0.1:1\0root", b"\0\0\0\0\1", b"", b"x"])
            self.assertTrue(peer.recv_multipart()[-1].startswith(b"tcp://127.0.0.1:"))
        self.each(test, (2,))


if __name__ == "__main__":
    harness.main()
