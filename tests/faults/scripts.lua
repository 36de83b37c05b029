-- Handlers that go wrong: without end, without measure, and to themselves. Beside them an echo that must not notice.
local sb = require "signalbox"
local json = require "cjson.safe"
local cfg = ...

local anywhere = "tcp://127.0.0.1:*"
local echo = sb.router { name = "echo", bind = anywhere }
local work = sb.router { name = "work", bind = anywhere }
local last -- when the handler that went wrong was last heard of

echo:on_message(function(msg) return msg end)

local function spin()
  while true do last = sb.now() end
end

local wrongs = {
  spin = spin,
  guarded = function()
    while true do pcall(spin) end
  end,
  eat = function() -- many small tables
    local t = {}
    while true do
      t[#t + 1] = { {} }
      if #t % 100 == 0 then last = sb.now() end
    end
  end,
  gulp = function() -- few large texts
    local t = {}
    while true do
      last = sb.now()
      t[#t + 1] = ("x"):rep(1000000) .. #t
    end
  end,
  kept = (function()
    local all = {} -- what was eaten stays: the next message finds no memory to spare
    return function()
      for _ = 1, 1000 do
        last = sb.now()
        all[#all + 1] = ("y"):rep(100000) .. #all
      end
    end
  end)(),
}

work:on_message(function(msg)
  local wrong = wrongs[msg[1]]
  if wrong then wrong() end
  return { "good", ("%.6f"):format(sb.now() - (last or sb.now())) }
end)

-- ---- loops ----

-- To itself: what a handler sends comes back to it. Twice as much each time, if asked.
local hall = "inproc://hall"
local near = sb.pair { name = "near", bind = hall, sndhwm = 100, rcvhwm = 100 }
local far = sb.pair { name = "far", connect = hall, sndhwm = 100, rcvhwm = 100 }
local bounces, refused = 0, 0
local function bounce(sock)
  return function(msg)
    bounces = bounces + 1
    for _ = 1, tonumber(msg[1]) do
      if not sock:send(msg:copy(), 0) then refused = refused + 1 end
    end
  end
end
near:on_message(bounce(near))
far:on_message(bounce(far))

-- To itself through a port: a publisher whose own subscriber publishes again.
local feed = sb.pub { name = "feed", bind = anywhere, sndhwm = 100 }
local ear = sb.sub { name = "ear", connect = feed.last_endpoint, subscribe = "again", rcvhwm = 100 }
ear:on_message(function(msg)
  bounces = bounces + 1
  for _ = 1, tonumber(msg[2]) do feed:send(msg:copy()) end
end)

-- Keeps whatever comes: the engine's memory, held by the script.
local hoard = sb.pull { name = "hoard", bind = anywhere }
local kept = {}
hoard:on_message(function(msg) kept[#kept + 1] = msg:keep() end)

local sockets = { hoard = hoard, echo = echo, work = work, near = near, far = far, feed = feed, ear = ear }
local orders = {
  state = function()
    local out = { bounces = bounces, refused = refused, script = sb.metrics().script }
    for name, s in pairs(sockets) do
      out[name] = s:stats()
      out[name].endpoint = s:get "last_endpoint"
    end
    return out
  end,
  bounce = function(n) return { sent = near:send({ tostring(n) }, 0) and true or false } end,
  publish = function(n) return { sent = feed:send { "again", tostring(n) } and true or false } end,
}

sb.rep({ name = "door", bind = cfg.door }):on_message(function(msg)
  return json.encode(orders[msg[1]](tonumber(msg[2] or "0")))
end)
