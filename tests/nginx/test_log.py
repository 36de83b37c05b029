"""Lines of nginx's error log say which socket and which peer they are about."""
import re
import socket
import unittest

import zmq

import harness

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.front }
front:on_message(function(msg)
  if msg[1] == "slow" then sb.sleep(0.01) end
  sb.log.notice("got " .. msg[1])
  if msg[1] == "bad" then error("no such thing") end
  return msg[1]
end)
local feed = sb.xpub { name = "feed", bind = "tcp://127.0.0.1:" .. cfg.feed }
feed:on_subscribe(function(topic) error("no topics today") end)
local out = sb.push { name = "out", connect = "tcp://signalbox.invalid:5555" }
local bad = sb.rep { name = "bad", bind = "inproc://bad" }
bad:on_message(function(msg) return { "999 no", "" } end)
sb.log.notice("top level")
"""

HTTP = """
server {
  listen 127.0.0.1:%d;
  location = /rpc { signalbox_request bad; }
}
"""


class Lines(harness.NginxTest):
    def serve(self, backend="auto", workers=1):
        self.ports = {name: harness.free_port() for name in ("front", "feed", "http")}
        block = "script a.lua front=%(front)d feed=%(feed)d;" % self.ports
        server = self.nginx("%s backend %s;" % (block, backend), scripts={"a.lua": SCRIPT}, workers=workers,
                            http=HTTP % self.ports["http"])
        return server.start()

    def wait_lines(self, server, pattern, n=1):
        """All lines that match; (socket, address, connection) of each, where the pattern has these."""
        look = lambda: len(re.findall(pattern, server.log(), re.M)) >= n and re.findall(pattern, server.log(), re.M)
        return harness.wait_for(look, "%d lines %r in\n%s" % (n, pattern, server.log()[-3000:]))

    def test_scripts_say_whose_message_it_was(self):
        for backend in harness.backends():
            with self.subTest(backend):
                server = self.serve(backend)
                client = self.connect(zmq.DEALER, self.ports["front"])
                for text in (b"one", b"slow", b"bad"):
                    client.send(text)
                who = r", socket: front, peer: (tcp://127\.0\.0\.1:\d+), connection: (\d+)$"
                seen = {self.wait_lines(server, r"\[notice\].* signalbox: a\.lua: got %s" % word + who)[0]
                        for word in ("one", "slow", "bad")}
                seen |= {self.wait_lines(server, r"\[error\].* a\.lua: front on_message: a\.lua:8: no such thing" + who)[0]}
                self.assertEqual(len(seen), 1, "one peer, several names: %s" % seen)
                self.wait_lines(server, r"a\.lua: top level$")
                self.wait_lines(server, r"a\.lua: stack traceback:$")
                self.connect(zmq.SUB, self.ports["feed"]).subscribe(b"x")
                self.wait_lines(server, r"on_subscribe: a\.lua:12: no topics today, socket: feed, peer: tcp://127[.\d:]+, connection: \d+$")
                self.wait_lines(server, r"\[warn\].* signalbox: cannot resolve tcp://signalbox\.invalid:5555: .*, socket: out$")
                server.quit()

    def test_peers_come_and_go_at_the_level_info(self):
        server = self.serve(workers=2)
        client = self.connect(zmq.DEALER, self.ports["front"])
        client.send(b"one")
        client.recv()
        client.close()
        ways = [self.wait_lines(server, r"\[info\].* signalbox: %s.*, socket: front, peer: (tcp://127[.\d:]+), connection: (\d+), "
                                r"endpoint: tcp://127\.0\.0\.1:%d$" % (event, self.ports["front"]))
                for event in ("accepted", "handshake_succeeded", "disconnected")]
        self.assertEqual(len({way[0] for way in ways}), 1, ways)
        with socket.create_connection(("127.0.0.1", self.ports["front"])) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.wait_lines(server, r"\[info\].* signalbox: handshake_failed_\w+: .+, socket: front, peer: tcp://127[.\d:]+, connection: \d+")
        self.assertNotRegex(server.log(), r"socket: signalbox\.|peer: inproc|monitor_stopped")
        server.quit()

    def test_http_locations_name_their_socket_before_nginx_names_the_client(self):
        server = self.serve()
        with socket.create_connection(("127.0.0.1", self.ports["http"])) as c:
            c.sendall(b"GET /rpc HTTP/1.0\r\n\r\n")
            self.assertRegex(c.recv(4096), rb"^HTTP/1.1 502 ")
        self.wait_lines(server, r"\[error\].* signalbox: the reply's first frame is no status .*, socket: bad, client: 127\.0\.0\.1, server: ")
        server.quit()


if __name__ == "__main__":
    harness.main()
