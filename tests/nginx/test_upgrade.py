"""A new binary and a killed worker, under load in both directions: messages are counted at both ends."""
import os
import re
import signal
import time

import harness
import load


def descriptors(pid):
    """{what it is: its flags}"""
    found = {}
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            what = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
                found[what] = int(re.search(r"^flags:\s*(\d+)", f.read(), re.M).group(1), 8)
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


class Upgrade(load.LoadTest):
    def test_a_new_binary_takes_over_without_a_loss(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend, daemon=True)
                first = server.process
                workers = server.workers()
                server.signal(signal.SIGUSR2)
                server.wait_log("using inherited sockets")
                server.wait_ready()
                flow.flows()
                self.assertEqual(flow.watches[0].most, 1)
                server.signal(signal.SIGWINCH)
                server.wait_gone(workers)
                flow.flows()
                server.quit()
                server.process = harness.Daemon(server.read_pid())
                self.assertNotEqual(server.process.pid, first.pid)
                flow.flows()
                self.check_nothing_lost(server, flow, 1)
                self.assertEqual(flow.watches[0].all, 2)
                server.quit()


    def test_what_the_engine_opens_does_not_outlive_an_exec(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend)
                shared = set(descriptors(server.process.pid))
                own = {what: flags for what, flags in descriptors(server.owner()).items() if what not in shared
                       and what.startswith(("socket:", "anon_inode:[io_uring]"))}
                flow.stop()
                self.assertGreaterEqual(len(own), len(load.PORTS), own)
                self.assertEqual(backend == "uring", "anon_inode:[io_uring]" in own, own)
                self.assertEqual([what for what, flags in own.items() if not flags & os.O_CLOEXEC], [])
                server.quit()


    def test_a_new_binary_that_is_sent_away_leaves_the_old_one_at_work(self):
        server, flow = self.serve("auto", daemon=True)
        workers = server.workers()
        server.signal(signal.SIGUSR2)
        server.wait_log("using inherited sockets")
        server.wait_ready()
        second = harness.Daemon(server.read_pid())
        flow.flows()
        os.kill(second.pid, signal.SIGQUIT)
        second.wait()
        flow.flows()
        self.check_nothing_lost(server, flow, 1)
        self.assertEqual(server.workers(), workers)
        self.assertEqual(flow.watches[0].all, 1)
        server.quit()


    def test_a_killed_worker_loses_what_was_inside_it_and_no_more(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, flow = self.serve(backend)
                begin = time.monotonic()
                os.kill(server.owner(), signal.SIGKILL)
                server.wait_ready()
                self.assertLess(time.monotonic() - begin, 5)
                harness.wait_for(lambda: all(w.all == 2 and w.now == 1 for w in flow.watches), "connections anew")
                flow.flows()
                mark = dict(flow.sent)
                flow.flows()
                flow.stop()
                missing = flow.missing()
                for name, numbers in missing.items():
                    # One stretch, up to what queues and buffers between the two ends hold; all that follows is there.
                    self.assertTrue(not numbers or numbers[-1] < mark[name], "%s: lost after the crash" % name)
                    self.assertLess(len(numbers), 200000)
                flow.check_answers()
                server.quit()


if __name__ == "__main__":
    harness.main()
