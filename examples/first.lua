-- The first script of the README: a broker that answers PING itself.
local sb = require "signalbox"

-- clients connect here; workers connect to jobs
local front = sb.router { name = "front", bind = "tcp://127.0.0.1:5555" }
local jobs  = sb.dealer { name = "jobs",  bind = "tcp://127.0.0.1:5556" }

front:route {                                             -- compiled to C, first match wins
  { frame = 1, equals = "PING", reply = "PONG" },
  { frame = 1, prefix = "job.", to = jobs },
  { to = function(msg, peer)                              -- the slow path: a Lua function
      sb.log.warn("nobody takes " .. msg[1])
      return sb.DROP, "unknown"
    end },
}
jobs:route { { to = front } }                             -- replies find their way back
