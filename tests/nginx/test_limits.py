"""Handlers that attack the limits of a script, from HTTP: each costs its own request, and the next one is served at once."""
import socket
import time
import urllib.error
import urllib.request

import harness

SCRIPT = """
local sb = require "signalbox"
local attack = {
  ["/loop"] = function() while true do end end,
  ["/swallow"] = function() while true do pcall(function() while true do end end) end end,
  ["/coroutine"] = function() coroutine.wrap(function() while true do end end)() end,
  ["/rep"] = function() return ("x"):rep(1 << 40) end,
  ["/doubling"] = function() local s = "x" while true do s = s .. s end end,
  ["/table"] = function() local t = {} while true do t[#t + 1] = {} end end,
  ["/closures"] = function() local t = {} while true do local n = #t t[n + 1] = function() return n end end end,
  ["/concat"] = function() local t = {} for i = 1, 1e4 do t[i] = ("x"):rep(1e4) end return table.concat(t) end,
  ["/pattern"] = function() return tostring(("a"):rep(30000):find(".-.-.-.-b")) end,
  ["/gsub"] = function() return (("a"):rep(1 << 20):gsub("a", ("b"):rep(1 << 10))) end,
  ["/sort"] = function() local t = {} for i = 1, 1e6 do t[i] = i end table.sort(t, function(a, b) return a > b end) end,
  ["/format"] = function() return ("%99s"):rep(1 << 20):format() end,
  ["/recursion"] = function() local function f() return 1 + f() end return f() end,
  ["/spawn"] = function() while true do sb.spawn(function() sb.sleep(10) end) end end,
  ["/json"] = function() return assert(sb.json.decode(("["):rep(1 << 20))) end,
}
local front = sb.rep { name = "front" }
front:on_message(function(msg)
  local run = attack[msg[1]]
  if not run then return "fine" end
  return tostring(run())
end)
"""
ATTACKS = [line.split('"')[1] for line in SCRIPT.splitlines() if line.startswith('  ["/')]

HTTP = """server { listen 127.0.0.1:%d; keepalive_timeout 60s;
                   location / { signalbox_request front frames=path timeout=5s; } }"""
AT_ONCE = 0.1 if not harness.SANITIZED else 1.0  # seconds from the end of an attack to the answer of the next request


class Limits(harness.NginxTest):
    def serve(self, backend):
        self.port = harness.free_port()
        server = self.nginx("backend %s; memory 16m; handler_time 50ms; script a.lua;" % backend, {"a.lua": SCRIPT},
                            http=HTTP % self.port)
        return server.start()

    def get(self, path):
        """(status, body, seconds)"""
        begin = time.monotonic()
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.port, path), timeout=30) as reply:
                status, body = reply.status, reply.read()
        except urllib.error.HTTPError as e:
            with e:
                status, body = e.code, e.read()
        return status, body, time.monotonic() - begin

    def rss(self, pid):
        with open("/proc/%d/status" % pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def attack(self, path):
        """The server says when it is over, not urllib: (status, seconds)."""
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.settimeout(30)
            begin = time.monotonic()
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())
            reply = b""
            while more := sock.recv(1 << 16):
                reply += more
            return reply.split(b" ", 2)[1], time.monotonic() - begin

    def test_an_attack_costs_its_own_request(self):
        for backend in harness.backends():
            server = self.serve(backend)
            harness.wait_for(lambda: self.get("/warm")[:2] == (200, b"fine"), "the script")
            worker = server.owner()
            self.attack_all(backend)
            rss = self.rss(worker)
            self.attack_all(backend)
            self.assertEqual(server.owner(), worker)
            if not harness.SANITIZED:
                self.assertLess(self.rss(worker) - rss, 16 * 1024)  # what was freed is used again
            server.quit()

    def attack_all(self, backend):
        for path in ATTACKS:
            with self.subTest(backend=backend, attack=path):
                status, took = self.attack(path)
                self.assertEqual(status, b"500")
                self.assertLess(took, 2.0 if not harness.SANITIZED else 20.0, "the limit came late")
                status, body, took = self.get("/next")
                self.assertEqual((status, body), (200, b"fine"))
                self.assertLess(took, AT_ONCE)


if __name__ == "__main__":
    harness.main()
