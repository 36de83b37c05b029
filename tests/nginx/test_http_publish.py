"""signalbox_publish: POST into PUB, XPUB, PUSH and PULL, from every worker, on io_uring and on libuv."""
import http.client
import json

import zmq

import harness

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local feed = sb.pub { name = "feed", bind = "tcp://127.0.0.1:" .. cfg.feed }
local work = sb.push { name = "work", bind = "tcp://127.0.0.1:" .. cfg.work, sndhwm = 3 }
local out = sb.push { name = "out", bind = "tcp://127.0.0.1:" .. cfg.out }
local bad = sb.push { name = "bad", bind = "tcp://127.0.0.1:" .. cfg.bad }
local hook = sb.pull { name = "hook" }
sb.dead_letter(bad)
hook:pipe(out, function(msg)
  local event, err = sb.json.decode(msg[1])
  if not event then return nil, err end
  msg[1] = event.kind
  return msg
end)
"""

HTTP = """
server {
  listen 127.0.0.1:%d;
  location /feed/ { signalbox_publish feed; }
  location /arg { signalbox_publish feed topic=$arg_topic; }
  location /work { signalbox_publish work; }
  location /hook { signalbox_publish hook; }
  location /topic/ { signalbox_publish work frames=topic,$request_method,body; }
}
"""


class Publish(harness.NginxTest):
    def serve(self, backend="auto", workers=2):
        names = ("feed", "work", "out", "bad", "port")
        self.ports = {name: harness.free_port() for name in names}
        args = " ".join("%s=%d" % item for item in self.ports.items())
        return self.nginx("backend %s; script a.lua %s;" % (backend, args), {"a.lua": SCRIPT}, workers=workers,
                          http=HTTP % self.ports["port"]).start()

    def post(self, path, body=b"", method="POST"):
        conn = http.client.HTTPConnection("127.0.0.1", self.ports["port"], timeout=harness.PATIENCE)
        try:
            conn.request(method, path, body)
            reply = conn.getresponse()
            reply.read()
            return reply.status
        finally:
            conn.close()

    def test_subscribers_get_what_is_posted(self):
        for backend in harness.backends():
            for workers in (1, 2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server = self.serve(backend, workers)
                    self.assertEqual(self.post("/feed/none"), 204)  # nobody is there
                    sub = self.connect(zmq.SUB, self.ports["feed"])
                    sub.subscribe(b"a")
                    harness.wait_for(lambda: self.post("/feed/a/b", b"first") == 202 and sub.poll(50), "the subscriber")
                    self.assertEqual(sub.recv_multipart(), [b"a/b", b"first"])
                    while sub.poll(100):
                        sub.recv_multipart()
                    for i in range(20):
                        self.assertEqual(self.post("/feed/a%d" % i, b"x"), 202)
                        self.assertEqual(self.post("/arg?topic=b", b"x"), 202)
                        self.assertEqual(self.post("/arg?topic=arg%d" % i, b"y" * i), 202)
                        self.assertEqual(sub.recv_multipart(), [b"a%d" % i, b"x"])
                        self.assertEqual(sub.recv_multipart(), [b"arg%d" % i, b"y" * i])
                    server.quit()

    def test_a_push_takes_it_or_says_why_not(self):
        self.serve()
        self.assertEqual(self.post("/work", b"x"), 503)
        pull = self.connect(zmq.PULL, self.ports["work"], rcvhwm=1, rcvbuf=4096)
        harness.wait_for(lambda: self.post("/work", b"x") == 202, "the worker")
        self.assertEqual(pull.recv_multipart(), [b"x"])
        self.assertEqual(self.post("/topic/a%20b", b"x"), 202)
        self.assertEqual(pull.recv_multipart(), [b"a b", b"POST", b"x"])
        seen = set()
        for _ in range(200):
            seen.add(self.post("/work", b"x" * 900000))
            if 429 in seen:
                break
        self.assertEqual(seen, {202, 429})

    def test_a_web_hook_goes_through_the_scripts_pipe(self):
        self.serve()
        out, bad = self.connect(zmq.PULL, self.ports["out"]), self.connect(zmq.PULL, self.ports["bad"])
        self.assertEqual(self.post("/hook", b'{"kind":"paid"}'), 202)
        self.assertEqual(out.recv(), b"paid")
        self.assertEqual(self.post("/hook", b"no json"), 202)
        head, body = bad.recv_multipart()
        self.assertEqual((json.loads(head)["socket"], body), ("hook", b"no json"))

    def test_other_methods_are_refused(self):
        self.serve()
        self.assertEqual(self.post("/work", method="GET"), 405)
        self.assertEqual(self.post("/work", method="PUT"), 503)


if __name__ == "__main__":
    harness.main()
