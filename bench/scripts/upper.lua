-- As edit.lua, but the function is Lua's own to run: it calls a method of a string.
local sb = require "signalbox"
local cfg = ...
local hwm = tonumber(cfg.hwm)

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm }
local to = sb.push { name = "to", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm }

from:pipe(to, function(msg)
  msg[1] = msg[1]:upper()
  return msg
end)
