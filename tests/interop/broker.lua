-- The broker of test_broker.py: by content to two outputs, small queues.
local sb = require "signalbox"
local cfg = ...

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = 1000 }
local a = sb.push { name = "a", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = 1000 }
local b = sb.push { name = "b", bind = "tcp://127.0.0.1:" .. cfg.b, sndhwm = 1000 }

if cfg.lua then
  from:route {
    { to = function(msg)
        if msg:starts(1, "a") then return a end
        return b
      end },
  }
else
  from:route {
    { frame = 1, prefix = "a", to = a },
    { frame = 1, prefix = "b", to = b },
  }
end
