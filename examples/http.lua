-- A STREAM socket speaks whatever a plain TCP connection speaks: here a little HTTP.
local sb = require "signalbox"
local cfg = ...

local web = sb.stream { name = "web", bind = cfg.web or "tcp://127.0.0.1:8080", maxmsgsize = "8k" }
local requests = {}                                        -- what has come of a request, by connection

web:on_message(function(msg, peer)
  if msg[1] == "" then                                     -- it came, or it went
    requests[peer.id] = not requests[peer.id] and "" or nil
    return
  end
  local request = (requests[peer.id] or "") .. msg[1]
  requests[peer.id] = request
  if #request > 8192 then return peer:kick "the request is too long" end
  if not request:find("\r\n\r\n", 1, true) then return end
  local path = request:match "^GET (%S+)" or "nothing"
  local body = "you asked for " .. path .. "\n"
  peer:send("HTTP/1.0 200 OK\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
  peer:send ""                                             -- an empty frame ends the connection
  requests[peer.id] = nil
end)
