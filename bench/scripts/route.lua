-- A broker without a line of Lua per message: two outputs, chosen by the first octet in a compiled table.
local sb = require "signalbox"
local cfg = ...
local hwm = tonumber(cfg.hwm)

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm }
local a = sb.push { name = "a", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm }
local b = sb.push { name = "b", bind = "tcp://127.0.0.1:" .. cfg.b, sndhwm = hwm }

from:route {
  { frame = 1, prefix = "a", to = a },
  { frame = 1, prefix = "b", to = b },
}
