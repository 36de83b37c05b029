"""wrk against the HTTP locations: every request is answered, none with an error, and the services have seen all of them."""
import os
import re
import shutil
import subprocess
import unittest
import urllib.request

import harness

SECONDS = int(os.environ.get("SB_LOAD_SECONDS", "1"))
CONNECTIONS = 32

SCRIPT = """
local sb = require "signalbox"
local count = { api = 0, hook = 0 }
local api = sb.router { name = "api" }
api:on_message(function(msg)
  if msg[2] == "/counts" then return { "200", "{}", count.api .. " " .. count.hook } end
  count.api = count.api + 1
  return "answer"
end)
local hook = sb.pull { name = "hook" }
hook:on_message(function() count.hook = count.hook + 1 end)
local feed = sb.xpub { name = "feed" }
sb.every(0.001, function() feed:send { "topic", "text" } end)
"""

HTTP = """
server {
  listen 127.0.0.1:%d;
  keepalive_requests 1000000000;
  location /api { signalbox_request api; }
  location /counts { signalbox_request api; }
  location /hook { signalbox_publish hook; }
  location /events/ { signalbox_subscribe feed; }
}
"""


@unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
class Load(harness.NginxTest):
    def wrk(self, path, script=""):
        """How many answers came; none may be an error."""
        self.server.write("load.lua", script)
        said = subprocess.run(["wrk", "-t1", "-c%d" % CONNECTIONS, "-d%ds" % SECONDS, "--timeout", "20s",
                               "-s", self.server.path("load.lua"), "http://127.0.0.1:%d%s" % (self.port, path)],
                              capture_output=True, text=True, timeout=60 + 2 * SECONDS).stdout
        self.assertNotIn("Socket errors", said)
        self.assertNotIn("Non-2xx", said)
        return int(re.search(r"(\d+) requests in", said).group(1))

    def counts(self):
        with urllib.request.urlopen("http://127.0.0.1:%d/counts" % self.port, timeout=harness.PATIENCE) as reply:
            return [int(n) for n in reply.read().split()]

    def check_count(self, index, answers):
        """Those under way when wrk ends were seen and not waited for."""
        harness.wait_for(lambda: self.counts()[index] >= answers, "all of %d to be counted" % answers)
        self.assertLessEqual(self.counts()[index], answers + CONNECTIONS)

    def test_no_answer_is_lost_under_load(self):
        for backend in harness.backends():
            for workers in (1, 2):
                with self.subTest(backend=backend, workers=workers):
                    self.port = harness.free_port()
                    block = "backend %s; script a.lua;" % backend
                    self.server = self.nginx(block, {"a.lua": SCRIPT}, workers=workers)
                    self.server.configure(block, http=HTTP % self.port)
                    self.server.start()
                    self.check_count(0, self.wrk("/api"))
                    self.check_count(1, self.wrk("/hook", 'wrk.method = "POST"; wrk.body = "text"'))
                    self.assertGreater(self.wrk("/events/topic?poll"), 0)
                    self.server.quit()


if __name__ == "__main__":
    harness.main()
