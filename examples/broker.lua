-- A broker: requests by content to two pools of workers, ticks stamped and published, dead letters kept.
--   signalbox run examples/broker.lua front=tcp://*:5555 eu=tcp://*:5556 us=tcp://*:5557
local sb   = require "signalbox"
local json = require "cjson.safe"
local cfg  = ...

-- clients (REQ or DEALER) connect to front, workers (REP or DEALER) to eu and us
local front = sb.router { name = "front", bind = cfg.front or "tcp://127.0.0.1:5555", rcvhwm = 10000 }
local eu    = sb.dealer { name = "eu", bind = cfg.eu or "tcp://127.0.0.1:5556" }
local us    = sb.dealer { name = "us", bind = cfg.us or "tcp://127.0.0.1:5557" }

-- what cannot be routed, or whose script failed, goes to whoever binds a PULL there
local dlq = sb.push { name = "dlq", connect = cfg.dlq or "tcp://127.0.0.1:5999" }
sb.dead_letter(dlq)

front:route {
  { frame = 1, equals = "PING",       reply = "PONG" },
  { frame = 1, prefix = "order.eu.",  to = eu },
  { frame = 1, prefix = "order.us.",  to = us },
  { frame = 1, prefix = "order.",     to = { us, eu, weight = { 90, 10 } } },
  { to = dlq, reason = "no route" },
}
eu:route { { to = front } }
us:route { { to = front } }

-- subscribers; nobody gets everything, old names still work
local feed = sb.xpub { name = "feed", bind = cfg.feed or "tcp://127.0.0.1:5560" }
feed:on_subscribe(function(topic, peer)
  if topic == "" then return sb.DENY, "no subscribe-all" end
  if topic:sub(1, 7) == "legacy." then return "v2." .. topic:sub(8) end
  return sb.ACCEPT
end)

-- ticks come as [topic][JSON]; they go out under a new topic, with a time stamp
local ticks = sb.sub { name = "ticks", connect = cfg.ticks or "tcp://127.0.0.1:6000", subscribe = "tick." }
ticks:pipe(feed, function(msg)
  local t, err = json.decode(msg[2])
  if not t then return nil, err end
  t.ts = sb.now()
  msg[1] = "v2." .. msg[1]
  msg[2] = json.encode(t)
  return msg
end)
