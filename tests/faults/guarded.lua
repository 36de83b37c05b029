-- Doors with locks: an echo behind CURVE, one behind PLAIN, and one whose neighbours they are.
local sb = require "signalbox"
local json = require "cjson.safe"
local cfg = ...

local anywhere, rate = "tcp://127.0.0.1:*", tonumber(cfg.rate or 0)
sb.authenticate(function(request) return request.mechanism ~= "PLAIN" or request.password == "secret" end)
local sockets = {
  echo = sb.router { name = "echo", bind = anywhere },
  curve = sb.router { name = "curve", bind = anywhere, curve_server = true, curve_secretkey = cfg.secret, accept_rate = rate,
    handshake_ivl = tonumber(cfg.ivl or 3), max_handshakes = tonumber(cfg.max or 500), backlog = 4096,
    handshakes_per_turn = tonumber(cfg.per_turn or 8) },
  plain = sb.router { name = "plain", bind = anywhere, plain_server = true, accept_rate = rate, handshake_ivl = 3,
    max_handshakes = 500, backlog = 4096 },
}
for _, s in pairs(sockets) do s:on_message(function(msg) return msg end) end

local function state()
  local out = {}
  for name, s in pairs(sockets) do
    out[name] = s:stats()
    out[name].endpoint = s:get "last_endpoint"
  end
  return out
end

sb.rep({ name = "door", bind = cfg.door }):on_message(function() return json.encode(state()) end)
