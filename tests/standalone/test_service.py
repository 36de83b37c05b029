"""The program as a service: what it tells a service manager's socket, without systemd."""
import os
import signal
import socket
import sys
import time
import unittest

from test_signalbox import ECHO, PATIENCE, PROGRAM, Running, Scripts, free_port


class Service(Scripts):
    """A manager's socket, and a program that knows it."""

    def listen(self, name=None):
        self.path = name or os.path.join(self.folder.name, "notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(self.path.replace("@", "\0"))
        self.manager.settimeout(PATIENCE)

    def start(self, **more):
        os.environ.update(NOTIFY_SOCKET=self.path, **more)
        try:
            running = Running(self.write(ECHO % ""), "port=%d" % free_port())
        finally:
            for name in ("NOTIFY_SOCKET", *more):
                del os.environ[name]
        self.addCleanup(running.end)
        return running

    def told(self):
        """The next thing told that is no sign of life, as a dictionary."""
        while True:
            text = self.manager.recv(4096).decode()
            if text != "WATCHDOG=1":
                return dict(line.split("=", 1) for line in text.split("\n"))

    def test_ready_reload_and_end_are_told(self):
        self.listen()
        running = self.start()
        ready = self.told()
        self.assertEqual(ready["READY"], "1")
        self.assertRegex(ready["STATUS"], r"^ready backend=\w+ sockets=1$")
        before = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
        running.process.send_signal(signal.SIGHUP)
        reloading = self.told()
        self.assertEqual(reloading["RELOADING"], "1")
        self.assertGreater(int(reloading["MONOTONIC_USEC"]), before)
        self.assertEqual(self.told()["READY"], "1")
        running.process.terminate()
        self.assertEqual(self.told(), {"STOPPING": "1"})
        self.assertEqual(running.wait_end(), 0)

    def test_a_reload_that_failed_is_over_too(self):
        self.listen()
        running = self.start()
        self.told()
        self.write("local = 1")
        running.process.send_signal(signal.SIGHUP)
        self.assertEqual(self.told()["RELOADING"], "1")
        again = self.told()
        self.assertEqual((again["READY"], again["STATUS"]), ("1", "the new script is broken, the old one goes on"))

    def test_signs_of_life_come_twice_as_often_as_asked_also_after_a_reload(self):
        self.listen("@signalbox-test-%d" % os.getpid())
        running = self.start(WATCHDOG_USEC="200000")
        for _ in range(2):
            self.told()
            began = time.monotonic()
            for _ in range(5):
                self.assertEqual(self.manager.recv(4096), b"WATCHDOG=1")
            self.assertGreater(time.monotonic() - began, 0.3)
            running.process.send_signal(signal.SIGHUP)
            self.assertEqual(self.told()["RELOADING"], "1")

    def test_a_watchdog_of_somebody_else_is_not_fed(self):
        self.listen()
        self.start(WATCHDOG_USEC="20000", WATCHDOG_PID="1")
        self.told()
        self.manager.settimeout(0.5)
        self.assertRaises(socket.timeout, self.manager.recv, 4096)

    def test_without_a_manager_it_runs_and_says_why_nobody_is_told(self):
        self.path = "nowhere"
        self.start().wait_line(r"warning: NOTIFY_SOCKET nowhere: must be /PATH or @NAME")
        self.path = os.path.join(self.folder.name, "nobody")
        running = self.start()
        running.wait_line(r"warning: NOTIFY_SOCKET .*/nobody: No such file")
        running.wait_line("ready")


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        print("skipped: no", PROGRAM)
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
