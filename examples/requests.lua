-- Straight-line code that waits: a gateway that asks two services and answers with both, in at most half a second.
local sb  = require "signalbox"
local cfg = ...

local front = sb.router { name = "front", bind = cfg.front or "tcp://127.0.0.1:6031" }
-- a DEALER can have many requests under way; a REQ has one at a time
local price = sb.dealer { name = "price", connect = cfg.price or "tcp://127.0.0.1:6032" }
local stock = sb.dealer { name = "stock", connect = cfg.stock or "tcp://127.0.0.1:6033" }

local function ask(socket, what)
  local answer, err, code = socket:request(what, 0.25)
  if answer then return answer[1] end
  sb.log.warn(socket.name, "did not answer:", err, code)  -- "timeout", "ETIMEDOUT"
  return "unknown"
end

-- while this handler waits, others run; messages of the same client keep their order
front:on_message(function(msg)
  local article = msg[1]
  return { article, ask(price, article), ask(stock, article) }
end)

sb.every(60, function(exiting)
  if not exiting then sb.log.info("answered:", front:stats().msgs_out) end
end)
