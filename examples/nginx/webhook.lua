-- Web-hooks into a queue: what is posted is checked and goes to workers; what is wrong goes to the dead letters.
local sb = require "signalbox"
local cfg = ...

local hook = sb.pull { name = "hook" } -- [body], from nginx
local work = sb.push { name = "work", bind = cfg.work or "tcp://*:5600" }
local dead = sb.push { name = "dead", bind = cfg.dead or "tcp://*:5601" }
sb.dead_letter(dead)

hook:pipe(work, function(msg)
  local event, err = sb.json.decode(msg[1])
  if not event then return nil, err end
  if not event.type then return nil, "no type" end
  msg:insert(1, event.type)
  return msg
end)
