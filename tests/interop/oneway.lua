-- The taker of test_drain.py: a ROUTER that answers nobody.
local sb = require "signalbox"
local cfg = ...

local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.front }
local out = sb.push { name = "out", bind = "tcp://127.0.0.1:" .. cfg.out, sndhwm = 0 }

front:on_message(function(msg)
  out:send(msg[1])
end)
