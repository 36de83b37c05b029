-- A stream that goes through, and beside it requests that are answered: does the one keep the others waiting?
local sb = require "signalbox"
local cfg = ...
local hwm = tonumber(cfg.hwm)

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm }
local to = sb.push { name = "to", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm }
local rep = sb.rep { name = "rep", bind = "tcp://127.0.0.1:" .. cfg.b }

from:route { { to = to } }
rep:on_message(function(msg) return msg[1] end)
