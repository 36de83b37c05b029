"""Reload, a changed script, a broken one, under load in both directions, on sockets that bind and on sockets that connect:
messages are counted at both ends."""
import os
import re
import signal

import zmq

import harness
import load

RELOADS = int(os.environ.get("SB_RELOADS", "20"))


class Reload(load.LoadTest):
    def test_reloads_lose_nothing(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend)
                for _ in range(RELOADS):
                    old, _ = server.reload()
                    server.wait_gone(old)
                    flow.flows()
                self.check_nothing_lost(server, flow, RELOADS)
                self.assertEqual(flow.watches[0].all, RELOADS + 1)
                self.assertEqual(len(server.workers()), 2)
                server.quit()


    def test_reloads_that_do_not_wait_for_each_other_lose_nothing(self):
        """A generation may end before the consumers have come to it: the next ones take what it has left."""
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend)
                every = set()
                for _ in range(10):
                    old, _ = server.reload()
                    every.update(old)
                server.wait_gone(every)
                flow.flows()
                self.check_nothing_lost(server, flow, 40)
                server.quit()

    def test_what_nobody_takes_waits_in_the_new_worker(self):
        """Also when there are several generations, and none has ever seen a consumer."""
        script = """
local sb = require "signalbox"
local cfg = ...
local into = sb.pull { name = "into", bind = "tcp://127.0.0.1:" .. cfg.into }
local out = sb.push { name = "out", bind = "tcp://127.0.0.1:" .. cfg.out }
into:pipe(out)
"""
        for backend, owner in ((b, o) for b in harness.backends() for o in ("0", "all")):
            with self.subTest(backend=backend, worker=owner):
                into, out = harness.free_port(), harness.free_port()
                server = self.nginx("backend %s; worker %s; linger 10s; script a.lua into=%d out=%d;" % (
                    backend, owner, into, out), {"a.lua": script}, workers=2).start()
                source = self.connect(zmq.PUSH, into)
                for n in range(300):
                    source.send(b"%d" % n)
                for _ in range(3):
                    old, _ = server.reload()
                    server.wait_gone(old)
                sink = self.connect(zmq.PULL, out)
                self.assertEqual(sorted(int(sink.recv()) for _ in range(300)), list(range(300)))
                self.assertEqual(load.drains(server.log())[0], 0)
                server.quit()


    def test_a_changed_script_takes_over_without_a_gap(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend)
                server.write("a.lua", load.SCRIPT % "v2")
                old, _ = server.reload()
                server.wait_gone(old)
                flow.flows()
                self.check_nothing_lost(server, flow, 1)
                versions = [parts[0] for parts in flow.got["far"]]
                self.assertEqual(set(versions), {b"v1", b"v2"})
                self.assertEqual(versions, sorted(versions), "the old script worked beside the new one")
                server.quit()


    def test_a_broken_script_changes_nothing_and_is_named(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend)
                workers = server.workers()
                server.write("a.lua", (load.SCRIPT % "v2") + "\nlocal = 1\n")
                server.expected.append(r"a\.lua:\d+: ")
                server.signal(signal.SIGHUP)
                server.wait_log(r"\[emerg\].*signalbox: a\.lua:16: .*near '=' in .*nginx\.conf:\d+")
                flow.flows()
                self.check_nothing_lost(server, flow, 0)
                self.assertEqual(server.workers(), workers)
                self.assertEqual(flow.watches[0].all, 1)
                server.quit()


    def test_a_consumer_that_does_not_read_holds_up_connects_only_as_long_as_linger(self):
        far, out = harness.free_port(), harness.free_port()
        script = """
local sb = require "signalbox"
local cfg = ...
local from = sb.pull { name = "from", connect = "tcp://127.0.0.1:" .. cfg.far }
local to = sb.push { name = "to", bind = "tcp://127.0.0.1:" .. cfg.out, sndhwm = 0 }
from:pipe(to)
"""
        server = self.nginx("linger 500ms; script a.lua far=%d out=%d;" % (far, out), {"a.lua": script})
        into = self.socket(zmq.PUSH)
        watch = load.Watch(into)
        into.bind("tcp://127.0.0.1:%d" % far)
        server.start()
        self.connect(zmq.PULL, out, rcvhwm=1, rcvbuf=4096)
        for _ in range(20000):
            into.send(b"." * 1000)
        server.signal(signal.SIGHUP)
        server.wait_log(r"signalbox: drained, [1-9]\d* messages unsent")
        server.wait_log("signalbox: connecting, the old worker has ended its part")
        harness.wait_for(lambda: watch.look() or watch.all == 2, "the new worker's connection")
        self.assertEqual(watch.most, 1)


    def test_generations_overlap_where_the_configuration_says_so(self):
        far = harness.free_port()
        script = 'require("signalbox").pull { name = "from", connect = "tcp://127.0.0.1:%d" }' % far
        into = self.socket(zmq.PUSH)
        watch = load.Watch(into)
        into.bind("tcp://127.0.0.1:%d" % far)
        server = self.nginx("takeover overlap; script a.lua;", {"a.lua": script})
        server.start()
        harness.wait_for(lambda: watch.look() or watch.now == 1, "a connection")
        old, _ = server.reload()
        server.wait_gone(old)
        harness.wait_for(lambda: watch.look() or (watch.all, watch.now) == (2, 1), "the second one alone")
        self.assertNotIn("signalbox: connecting", server.log())

    def state(self, server):
        """Descriptors of master and owner, and their memory in KiB."""
        fds, rss = [], []
        for pid in (server.process.pid, server.owner()):
            fds.append(len(os.listdir("/proc/%d/fd" % pid)))
            with open("/proc/%d/status" % pid) as f:
                rss.append(int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)))
        return fds, rss


    def test_many_reloads_leave_no_descriptors_and_no_memory_behind(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend)
                # What is under way differs from moment to moment; so the connections of the load end first.
                flow.stop()
                self.context.destroy(linger=0)
                self.context = zmq.Context()
                self.grows_not(server, backend)
                self.assertEqual(len(server.workers()), 2)
                server.quit()

    def grows_not(self, server, backend):
        def reload(times):
            for _ in range(times):
                old, _ = server.reload()
                server.wait_gone(old)
        reload(10)
        fds, rss = self.state(server)
        reload(RELOADS)
        # An old worker's ring may outlive it for a moment, and with it the way to its box.
        harness.wait_for(lambda: self.state(server)[0][0] <= fds[0] + 2, "the master's descriptors to be %d again" % fds[0])
        self.assertLess(self.state(server)[0][1], fds[1] + 4)  # its connects that nobody answers come and go
        after = self.state(server)[1]
        print("%s, %d reloads: descriptors %s, KiB master %d -> %d, worker %d -> %d" % (
            backend, RELOADS, self.state(server)[0], rss[0], after[0], rss[1], after[1]))
        for name, before, now in zip(("master", "worker"), rss, after):
            limit = 1024 if not harness.SANITIZED else 32768  # a sanitizer keeps what was freed
            self.assertLess(now - before, limit, "%s grew from %d to %d KiB in %d reloads" % (name, before, now, RELOADS))


if __name__ == "__main__":
    harness.main()
