-- An HTTP API in front of REP workers: nginx gives requests to "api", which routes by path; workers connect to their port.
local sb = require "signalbox"
local cfg = ...

local api    = sb.router { name = "api" } -- HTTP requests are its peers: no bind needed
local orders = sb.dealer { name = "orders", bind = cfg.orders or "tcp://*:5601" }
local users  = sb.dealer { name = "users",  bind = cfg.users  or "tcp://*:5602" }

-- frames of a request: 1 method, 2 path, 3 headers as JSON, 4 body
api:route {
  { frame = 2, prefix = "/api/orders", to = orders },
  { frame = 2, prefix = "/api/users",  to = users },
  { frame = 2, equals = "/api/health", reply = "well" },
  { to = function(msg)                                    -- status, headers, body: back to who asked
      msg[1], msg[2], msg[3] = "404", '{"content-type":"application/json"}', '{"error":"no such thing"}'
      msg:remove(4)
      return api
    end },
}
orders:route { { to = api } }
users:route { { to = api } }
