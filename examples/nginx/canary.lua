-- A canary: one request in ten goes to the new version, the rest to the old one; X-Canary: yes always goes to the new one.
local sb = require "signalbox"
local cfg = ...

local web = sb.router { name = "web" }
local old = sb.dealer { name = "old", bind = cfg.old or "tcp://*:5601" }
local new = sb.dealer { name = "new", bind = cfg.new or "tcp://*:5602" }

-- frames of a request: 1 the canary header, 2 method, 3 path, 4 body
web:route {
  { frame = 1, equals = "yes", to = new },
  { to = { old, new, weight = { 90, 10 } } },
}
old:route { { to = web } }
new:route { { to = web } }
