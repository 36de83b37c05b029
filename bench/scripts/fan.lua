-- Fan-out: one publisher's messages to every subscriber. nodrop=1: a slow subscriber brakes the publisher.
local sb = require "signalbox"
local cfg = ...
local hwm = tonumber(cfg.hwm)

local from = sb.xsub { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm, subscribe = "" }
local to = sb.xpub {
  name = "to", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm, xpub_nodrop = cfg.nodrop == "1",
}

from:route { { to = to } }
