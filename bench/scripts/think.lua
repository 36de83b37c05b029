-- A broker whose Lua function has work of its own: a checksum over the body, again and again, decides.
local sb = require "signalbox"
local cfg = ...
local hwm, rounds = tonumber(cfg.hwm), tonumber(cfg.rounds)

local from = sb.pull { name = "from", bind = "tcp://127.0.0.1:" .. cfg.from, rcvhwm = hwm }
local to = sb.push { name = "to", bind = "tcp://127.0.0.1:" .. cfg.a, sndhwm = hwm }

from:pipe(to, function(msg)
  local body, sum = msg[1], 0
  for _ = 1, rounds do
    for i = 1, #body, 8 do sum = (sum * 31 + body:byte(i)) & 0xffffffff end
  end
  if sum ~= 1 then return msg end
end)
