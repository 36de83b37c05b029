-- CURVE at the edge, plain inside: clients on the open net must have an allowed key, workers in the house need none.
-- signalbox keygen writes the key files.
local sb = require "signalbox"
local cfg = ...

local edge = sb.router {
  name = "edge", bind = cfg.edge or "tcp://*:5600",
  curve_server = true, curve_keyfile = cfg.key, curve_allow = cfg.clients,
}
local inside = sb.dealer { name = "inside", bind = cfg.inside or "tcp://127.0.0.1:5601" }

edge:route { { to = inside } }
inside:route { { to = edge } }
