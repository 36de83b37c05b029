-- Messages on their way from PULL to PUSH: changed, split, dropped.
local sb   = require "signalbox"
local json = require "cjson.safe"
local cfg  = ...

local input  = sb.pull { name = "input", bind = cfg.input or "tcp://127.0.0.1:6011" }
local output = sb.push { name = "output", bind = cfg.output or "tcp://127.0.0.1:6012" }

local seen = sb.metrics { counter = "batches_total", help = "batches taken apart" }

input:pipe(output, function(msg)
  if msg:equals(1, "heartbeat") then return sb.DROP end  -- no string is made to look
  local doc, err = json.decode(msg[2])
  if not doc then return nil, err end                     -- the original goes to the dead letters
  if #doc == 0 then                                       -- one record
    doc.via = "signalbox"
    msg[2] = json.encode(doc)
    return msg
  end
  seen:add()
  local parts = {}                                        -- a list of records: one message for each
  for i, record in ipairs(doc) do parts[i] = { msg[1], json.encode(record) } end
  return parts
end)
