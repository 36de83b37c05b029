-- One ROUTER that says who is there; people and keys it knows. mode: how the question is answered.
local sb = require "signalbox"
local cfg = ...

sb.authenticate(function(request)
  if cfg.mode == "slow" then sb.sleep(0.2) end
  if cfg.mode == "never" then sb.sleep(60) end
  if cfg.mode == "broken" then error("no database") end
  sb.log.notice("asked", request.mechanism, request.domain, request.address, request.socket,
    request.metadata["Socket-Type"] or "?", request.identity)
  if request.mechanism == "PLAIN" then
    if request.username == "ada" and request.password == "secret" then
      return { user_id = "ada", metadata = { ["X-Team"] = "engines" } }
    end
    return nil, "bad password"
  end
  if request.mechanism == "CURVE" then
    if request.key == cfg.key then return "the one with the key" end
    return nil, "unknown key", 400
  end
  return request.address == "127.0.0.1"
end)

local front = sb.router {
  name = "front", bind = cfg.endpoint, plain_server = true, allow_null = cfg.null == "yes", zap_domain = "test",
  auth_timeout = cfg.mode == "never" and 0.3 or 5,
  curve_server = cfg.secret ~= nil, curve_secretkey = cfg.secret and { cfg.secret, cfg.secret2 },
}
front:on_message(function(msg, peer)
  return { peer.user_id, peer.mechanism, peer.metadata["X-Team"] or "", peer.metadata["User-Id"] or "",
    peer.address:match("^tcp://127") and "tcp" or "?", peer.key }
end)
front:on_peer(function(event, _, info)
  sb.log.notice("event", event, info.cause or "", info.detail or "")
end)
