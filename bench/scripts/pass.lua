-- The plainest broker, what zmq_proxy does: everything from one socket to another.
local sb = require "signalbox"
local cfg = ...
local hwm = tonumber(cfg.hwm)

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm }
local to = sb.push { name = "to", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm }

from:route { { to = to } }
