-- Of test_drain.py: sockets that connect to sockets of the same script, three in a row.
local sb = require "signalbox"
local cfg = ...

local kinds = {
  push = { sb.push, sb.pull },
  pub = { sb.pub, sb.sub },
  dealer = { sb.dealer, sb.router },
  pair = { sb.pair, sb.pair },
}
local from, to = kinds[cfg.kind][1], kinds[cfg.kind][2]

local function hop(n)
  local taker = to { name = "taker" .. n, bind = cfg["hop" .. n], rcvhwm = 0 }
  if cfg.kind == "pub" then
    taker:subscribe ""
  end
  return from { name = "giver" .. n, connect = cfg["hop" .. n], sndhwm = 0 }, taker
end

local padding = " " .. ("."):rep(2000) -- more than the kernel holds, and many reads
local go = sb.pull { name = "go", bind = "tcp://127.0.0.1:" .. cfg.go }
local out = sb.push { name = "out", bind = "tcp://127.0.0.1:" .. cfg.out, sndhwm = 0 }
local a, b = hop(1)
local c, d = hop(2)

b:on_message(function(msg)
  for _ = 1, 2000 do end -- so slow that most of it is still before this hop when the end comes
  c:send(msg[#msg])
end)
d:on_message(function(msg) out:send(msg[#msg]) end)
local last = 0
go:on_message(function(msg)
  for _ = 1, tonumber(msg[1]) do
    last = last + 1
    a:send(last .. padding)
  end
  out:send "sent"
end)
