"""The zone: what scripts share is there after a reload, a crash and a new binary, until its size or name changes."""
import os
import signal

import zmq

import harness

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local state = sb.shared("state")
if sb.phase() == "run" then state:incr("starts", 1, 0) end
local rep = sb.rep { name = "state", bind = "tcp://127.0.0.1:" .. cfg.port }
rep:on_message(function(msg)
  if #msg == 2 then return tostring(state:set(msg[1], msg[2])) end
  return tostring(state:get(msg[1]))
end)
"""


class Zone(harness.NginxTest):
    def ask(self, port, *frames):
        for _ in range(20):
            client = self.connect(zmq.REQ, port, rcvtimeo=1000)
            client.send_multipart(frames)
            try:
                return client.recv()
            except zmq.Again:
                continue
            finally:
                client.close()
        self.fail("no answer")

    def serve(self, zone="zone z 1m;", **options):
        self.port = harness.free_port()
        self.block = "%%s script a.lua port=%d;" % self.port
        server = self.nginx(self.block % zone, {"a.lua": SCRIPT}, workers=2, **options)
        server.start()
        self.assertEqual(self.ask(self.port, b"key", b"value"), b"true")
        return server

    def reload(self, server):
        old, _ = server.reload()
        server.wait_gone(old)

    def test_it_is_kept_over_reloads_and_checks_do_not_touch_it(self):
        server = self.serve()
        for n in range(3):
            self.reload(server)
            self.assertEqual(server.test()[0], 0)
            self.assertEqual(self.ask(self.port, b"key"), b"value")
            self.assertEqual(self.ask(self.port, b"starts"), b"%d" % (n + 2))
        server.quit()

    def test_workers_that_start_together_find_one_zone(self):
        self.port = harness.free_port()
        for _ in range(4):
            server = self.nginx("worker all; zone z 64m; script a.lua port=%d;" % self.port, {"a.lua": SCRIPT}, workers=4)
            server.launch()
            for _ in range(4):
                server.wait_ready()
            self.assertEqual(self.ask(self.port, b"starts"), b"4")
            server.quit()

    def test_a_reload_that_fails_keeps_it(self):
        server = self.serve()
        server.expected.append("a.lua:1")
        server.write("a.lua", "local = 1")
        server.signal(signal.SIGHUP)
        server.wait_log(r"\[emerg\]")
        self.assertEqual(self.ask(self.port, b"key"), b"value")
        server.write("a.lua", SCRIPT)
        self.reload(server)
        self.assertEqual(self.ask(self.port, b"key"), b"value")
        server.quit()

    def test_another_size_or_name_begins_anew(self):
        server = self.serve()
        for zone in ("zone z 2m;", "zone y 2m;"):
            server.configure(self.block % zone)
            self.reload(server)
            self.assertEqual(self.ask(self.port, b"key"), b"nil")
            self.ask(self.port, b"key", b"value")
        server.quit()

    def test_a_killed_worker_finds_it_again(self):
        server = self.serve()
        for n in range(3):
            os.kill(server.owner(), signal.SIGKILL)
            server.wait_ready()
            self.assertEqual(self.ask(self.port, b"key"), b"value")
            self.assertEqual(self.ask(self.port, b"starts"), b"%d" % (n + 2))
        server.quit()

    def test_counters_go_on_over_reloads(self):
        server = self.serve()
        name = b'signalbox_messages_total{socket="state",dir="in"}'
        server.write("a.lua", SCRIPT.replace('sb.shared("state")', 'sb.shared("signalbox.counters")'))
        for _ in range(9):
            self.ask(self.port, b"key")
        self.reload(server)
        self.assertEqual(float(self.ask(self.port, name)), 10)
        self.reload(server)
        self.assertEqual(float(self.ask(self.port, name)), 11)
        server.quit()

    def test_a_new_binary_finds_it_again(self):
        server = self.serve(daemon=True)
        server.signal(signal.SIGUSR2)
        server.wait_log("using inherited sockets")
        server.wait_ready()
        server.quit()
        server.process = harness.Daemon(server.read_pid())
        self.assertEqual(self.ask(self.port, b"key"), b"value")
        self.assertEqual(self.ask(self.port, b"starts"), b"2")
        self.reload(server)
        self.assertEqual(self.ask(self.port, b"key"), b"value")
        server.quit()


if __name__ == "__main__":
    harness.main()
