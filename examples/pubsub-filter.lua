-- A PUB/SUB proxy that decides who may hear what: clients name themselves with their routing id.
local sb  = require "signalbox"
local cfg = ...

local source = sb.sub { name = "source", bind = cfg.source or "tcp://127.0.0.1:6001", subscribe = "" }
local feed   = sb.xpub { name = "feed", bind = cfg.feed or "tcp://127.0.0.1:6002" }

-- who may have which topics, by prefix
local allowed = {
  ["public."]  = function() return true end,
  ["private."] = function(peer) return peer.identity == "ops" end,
}

feed:on_subscribe(function(topic, peer)
  for prefix, may in pairs(allowed) do
    if topic:sub(1, #prefix) == prefix and may(peer) then return sb.ACCEPT end
  end
  sb.log.notice("denied:", topic, "for", peer.address)
  return sb.DENY
end)

feed:on_peer(function(event, peer, info)
  if event == "handshake_succeeded" then sb.log.info("joined:", info.address) end
end)

source:pipe(feed) -- no function: copied in C, as it is
