-- A broker in Lua: a function reads frame 1 of every message and picks one of two outputs.
local sb = require "signalbox"
local cfg = ...
local hwm = tonumber(cfg.hwm)

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm }
local a = sb.push { name = "a", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm }
local b = sb.push { name = "b", bind = "tcp://127.0.0.1:" .. cfg.b, sndhwm = hwm }

from:route {
  { to = function(msg)
      if msg:starts(1, "a") then return a end
      return b
    end },
}
