"""One memory budget for all queues of a process, shared fairly: `signalbox run --queue-limit`."""
import os
import tempfile
import unittest

from test_signalbox import Running

SCRIPT = """
local sb = require "signalbox"
local socks, took = {}, {}
for i = 1, 2 do
  socks[i] = sb.push { connect = "inproc://nobody" .. i, sndhwm = 0, linger = 0 }
  took[i] = 0
end
sb.spawn(function()
  local block, more = ("x"):rep(10000), true
  while more do
    more = false
    for i, sock in ipairs(socks) do
      if sock:send(block, 0) then
        took[i] = took[i] + 1
        more = true
      end
    end
  end
  local late = sb.push { connect = "inproc://nobody3", sndhwm = 0, linger = 0 }
  sb.log.notice("took", took[1], took[2], tostring(late:send(block, 0)))
end)
"""


class Budget(unittest.TestCase):
    def test_greedy_queues_share_it_and_leave_room(self):
        with tempfile.TemporaryDirectory(prefix="sb-budget-") as folder:
            script = os.path.join(folder, "greedy.lua")
            with open(script, "w", encoding="utf-8") as f:
                f.write(SCRIPT)
            running = Running("--queue-limit", "900k", "--linger", "100ms", script)
            try:
                one, two, late = running.wait_line(r"took\W+(\d+)\W+(\d+)\W+(\w+)").groups()
            finally:
                running.process.terminate()
                running.wait_end()
        # two get a third each, which is 30 messages; the last third is for who comes now
        self.assertIn(int(one), range(28, 33))
        self.assertIn(int(two), range(28, 33))
        self.assertEqual(late, "true")


if __name__ == "__main__":
    unittest.main()
