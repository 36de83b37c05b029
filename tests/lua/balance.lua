-- balance = least_queued, weighted, sticky.
local function workers(n, options)
  local list = {}
  for i = 1, n do list[i] = sb.pull(options or {}) end
  return list
end

test("options of balance are checked", function()
  fails("one of", function() sb.push { balance = "random" } end)
  fails("does not belong to a PUB", function() sb.pub { balance = "sticky" } end)
  fails("'weights' has no whole number for endpoint 2",
    function() sb.push { connect = { "inproc://w1", "inproc://w2" }, weights = { 1 }, linger = 0 } end)
  fails("option weight cannot be 0", function() sb.push { connect = { "inproc://w1" }, weights = { 0 }, linger = 0 } end)
end)

test("weights of endpoints", function()
  local push <close> = sb.push { connect = { "inproc://bw1", "inproc://bw2" }, weights = { 3, 1 }, balance = "weighted",
    linger = 0 }
  for i = 1, 40 do assert(push:send "x") end
  local a <close> = sb.pull { bind = "inproc://bw1" }
  local b <close> = sb.pull { bind = "inproc://bw2" }
  eventually(function() return a:stats().msgs_in == 30 and b:stats().msgs_in == 10 end)
end)

test("keys stay with their peer", function()
  local push <close> = sb.push { balance = "sticky", balance_key = 1, bind = "tcp://127.0.0.1:*" }
  local list = workers(3, { connect = push.last_endpoint })
  eventually(function() return push:stats().peers == 3 end)
  for round = 1, 3 do
    for key = 1, 20 do push:send { "key" .. key, tostring(round) } end
  end
  local owner, rounds = {}, {}
  eventually(function()
    for i, pull in ipairs(list) do
      local msg = pull:recv(0)
      while msg do
        local key = msg[1]
        assert(owner[key] == nil or owner[key] == i, "a key went to two peers")
        owner[key] = i
        rounds[key] = (rounds[key] or "") .. msg[2]
        msg = pull:recv(0)
      end
    end
    for key = 1, 20 do if rounds["key" .. key] ~= "123" then return false end end
    return true
  end)
  for _, pull in ipairs(list) do pull:close() end
end)

test("an idle worker gets the next job", function()
  local dealer <close> = sb.dealer { balance = "least_queued", bind = "tcp://127.0.0.1:*" }
  local jobs = { 0, 0 }
  local slow <close> = sb.rep { connect = dealer.last_endpoint }
  local quick <close> = sb.rep { connect = dealer.last_endpoint }
  slow:on_message(function() jobs[1] = jobs[1] + 1 sb.sleep(0.3) return "done" end)
  quick:on_message(function() jobs[2] = jobs[2] + 1 return "done" end)
  eventually(function() return dealer:stats().peers == 2 end)
  local done = 0
  for _ = 1, 2 do
    sb.spawn(function() for _ = 1, 20 do assert(dealer:request("job", 5)) done = done + 1 end end)
  end
  eventually(function() return done >= 20 end)
  assert(jobs[1] <= 2, "the slow one got " .. jobs[1]) -- in turn it would have 10
end)
