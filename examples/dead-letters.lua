-- What becomes of messages nobody can take: they are kept with the reason, and can be asked for.
local sb   = require "signalbox"
local json = require "cjson.safe"
local cfg  = ...

local input = sb.pull { name = "input", bind = cfg.input or "tcp://127.0.0.1:6021" }
local work  = sb.push { name = "work", bind = cfg.work or "tcp://127.0.0.1:6022" }

-- dead letters stay in the house: a PUSH to a PULL of our own
local letters = sb.pull { name = "letters", bind = "inproc://letters" }
local dlq     = sb.push { name = "dlq", connect = "inproc://letters" }
sb.dead_letter(dlq)

input:route {
  { frame = 1, prefix = "job.", to = function(msg)
      local n = tonumber(msg[2])
      if not n then error("job without a number") end     -- logged, counted, dead-lettered
      if n < 0 then return nil, "negative" end            -- dead-lettered with this reason
      return work
    end },
}                                                          -- no row matches: dead letter "no route"

local last = {}
letters:on_message(function(msg)
  local head = json.decode(msg[1])                        -- reason, where, socket, peer, time
  table.insert(last, 1, head.reason .. ": " .. (msg[2] or ""))
  last[101] = nil
end)

-- ask with a REQ: the newest letters, one per frame
local shelf = sb.rep { name = "shelf", bind = cfg.shelf or "tcp://127.0.0.1:6023" }
shelf:on_message(function(msg)
  if #last == 0 then return "none" end
  return last
end)
