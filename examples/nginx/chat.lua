-- A chat over WebSocket: what one says in a room, all of the room hear. The room is the topic.
local sb = require "signalbox"

local said  = sb.pull { name = "said" }  -- [room] [text], from the browsers
local rooms = sb.xpub { name = "rooms" } -- to the browsers

said:pipe(rooms, function(msg)
  if msg[2]:match("^%s*$") then return sb.DROP, "nothing said" end
  msg[2] = msg[2]:sub(1, 500)
  return msg
end)

rooms:on_subscribe(function(room)
  if room == "" then return sb.DENY, "which room?" end
  return sb.ACCEPT
end)
