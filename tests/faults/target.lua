-- What the fault tests attack: an echo, a publisher, a sink, and a door of its own to ask how it is.
local sb = require "signalbox"
local json = require "cjson.safe"
local cfg = ...

local anywhere = "tcp://127.0.0.1:*"
local echo = sb.router { name = "echo", bind = cfg.echo or anywhere, handshake_ivl = 1, backlog = 4096, max_frames = 1000,
  max_message = "1m", heartbeat_ivl = tonumber(cfg.heartbeat or 0), heartbeat_timeout = tonumber(cfg.heartbeat or 0) }
local feed = sb.xpub { name = "feed", bind = cfg.feed or anywhere, sndhwm = 100 }
local once = sb.rep { name = "once", bind = anywhere }
local work = sb.push { name = "work", bind = anywhere, sndhwm = 100 }
local sink = sb.pull { name = "sink", bind = cfg.sink or anywhere, rcvhwm = 100 }
local sockets, got, odd = { echo = echo, feed = feed, sink = sink, once = once, work = work }, 0, 0

echo:on_message(function(msg) return msg end)
once:on_message(function(msg) return msg end)
feed:on_message(function() end)
feed:on_subscribe(function() return sb.ACCEPT end)
sink:on_message(function(msg)
  got = got + 1
  if #msg ~= 1 or not msg:equals(1, "whole") then odd = odd + 1 end
end)

local big = ("x"):rep(65536)
local orders = {
  state = function()
    local out = { got = got, odd = odd }
    for name, s in pairs(sockets) do
      out[name] = s:stats()
      out[name].endpoint = s:get "last_endpoint"
    end
    return out
  end,
  push = function(n)
    local sent = 0
    for i = 1, n do
      if work:send({ ("%08d"):format(i), big }, 0) then sent = sent + 1 end
    end
    return { sent = sent }
  end,
  publish = function(n)
    for i = 1, n do feed:send { "t", ("%08d"):format(i), big } end
    return {}
  end,
}

sb.rep({ name = "door", bind = cfg.door }):on_message(function(msg)
  return json.encode(orders[msg[1]](tonumber(msg[2] or "0")))
end)
