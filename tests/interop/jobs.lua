-- The broker of test_drain.py: requests to workers and back.
local sb = require "signalbox"
local cfg = ...

local front = sb.router { name = "front", bind = "tcp://127.0.0.1:" .. cfg.front }
local back = sb.dealer { name = "back", bind = "tcp://127.0.0.1:" .. cfg.back }

front:route {
  { frame = 1, equals = "PING", reply = "PONG" },
  { frame = 1, equals = "DROP", drop = true, reason = "asked for it" },
  { to = back },
}
back:route { { to = front } }
