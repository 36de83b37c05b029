-- A ZAP handler that is a socket, as existing ones are; kind is "rep" or "router".
local sb = require "signalbox"
local cfg = ...

local function answer(frames)
  local version, id, domain, address, identity, mechanism = table.unpack(frames, 1, 6)
  sb.log.notice("zap", version, domain, address, identity, mechanism, #frames, #frames[#frames])
  if cfg.answer == "garbage" then return { "2.0", id, "200", "OK", "x", "" } end
  local good = mechanism == "CURVE" and #frames[7] == 32 or frames[7] == "ada" and frames[8] == "secret"
  local status = cfg.answer or good and "200" or "400"
  return { "1.0", id, status, "said so", good and "somebody" or "", "\6X-Team\0\0\0\7engines" }
end

local handler = sb[cfg.kind] { name = "handler", bind = "inproc://zeromq.zap.01" }
handler:on_message(function(msg)
  local frames = {}
  for i = 1, #msg do frames[i] = msg[i] end
  if cfg.answer ~= "none" then return answer(frames) end
end)

local front = sb.rep {
  name = "front", bind = cfg.endpoint, plain_server = cfg.secret == nil, zap_domain = "test", auth_timeout = 0.5,
  curve_server = cfg.secret ~= nil, curve_secretkey = cfg.secret, routing_id = nil,
}
front:on_message(function(_, peer) return { peer.user_id, peer.metadata["X-Team"] or "" } end)
front:on_peer(function(event, _, info) sb.log.notice("event", event, info.cause or "", info.detail or "") end)
