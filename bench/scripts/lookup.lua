-- As choose.lua, but the function is Lua's own to run: it looks its frame up in a table.
local sb = require "signalbox"
local cfg = ...
local hwm = tonumber(cfg.hwm)

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm }
local a = sb.push { name = "a", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm }
local b = sb.push { name = "b", bind = "tcp://127.0.0.1:" .. cfg.b, sndhwm = hwm }
local sizes = { [tonumber(cfg.size or 64)] = true }

from:route {
  { to = function(msg)
      if sizes[msg:size(1)] and msg:starts(1, "a") then return a end
      return b
    end },
}
