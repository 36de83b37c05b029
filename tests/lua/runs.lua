-- Many messages in one read: the function sees them in one run. Nothing of a run may show.
expect "tenth"

-- A push whose messages lie in one write, and the pull they come to.
local function flow(options, n)
  options.bind = "tcp://127.0.0.1:*"
  local pull = sb.pull(options)
  local push = sb.push { connect = pull.last_endpoint, sndhwm = 0 }
  for i = 1, n do push:send(tostring(i)) end
  return pull, push
end

-- What arrives at a push called `to`, as a list.
local function sink(to)
  local seen, pull = {}, sb.pull { connect = to.last_endpoint }
  pull:on_message(function(msg) seen[#seen + 1] = msg[1] end)
  return seen, pull
end

local function in_order(seen, n)
  for i = 1, n do eq(seen[i], tostring(i), "message " .. i) end
  eq(#seen, n)
end

test("rows of the table and functions keep the order of one peer", function()
  local to <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 0 }
  local seen, s <close> = sink(to)
  local pull, push <close> = flow({}, 200)
  pull:route {
    { frame = 1, prefix = "1", to = to },
    { frame = 1, prefix = "2", to = function(msg, peer) eq(msg.peer, peer) return to end },
    { to = function(msg) return to end },
  }
  eventually(function() return #seen == 200 end, "all of them")
  in_order(seen, 200)
  eq(pull:stats().msgs_in, 200)
  pull:close()
end)

test("a full target stops a run where it is", function()
  local to <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 3 }
  local calls = 0
  local pull, push <close> = flow({}, 200)
  pull:route { { to = function(msg) calls = calls + 1 return to end } }
  eventually(function() return calls > 0 end)
  sb.sleep(0.05)
  eq(calls, 1) -- nobody is connected: it waits, and so do all behind it
  local seen, s <close> = sink(to)
  eventually(function() return #seen == 200 end, "all of them")
  in_order(seen, 200)
  eq(calls, 200)
  pull:close()
end)

test("an error in a run costs its own message only", function()
  local to <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 0 }
  local seen, s <close> = sink(to)
  local pull, push <close> = flow({}, 50)
  pull:pipe(to, function(msg)
    if msg:equals(1, "10") then error("tenth") end
    msg[1] = "e" .. msg[1]
    return msg
  end)
  eventually(function() return #seen == 49 end, "all but one")
  eq(seen[9], "e9")
  eq(seen[10], "e11")
  eq(seen[49], "e50")
  pull:close()
end)

test("a function that waits in a run is waited for", function()
  local to <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 0 }
  local seen, s <close> = sink(to)
  local pull, push <close> = flow({}, 60)
  pull:on_message(function(msg)
    if msg:equals(1, "20") or msg:equals(1, "40") then sb.sleep(0.01) end
    to:send(msg)
  end)
  eventually(function() return #seen == 60 end, "all of them")
  in_order(seen, 60)
  pull:close()
end)

test("a route or handler that is set in a run decides about the next message", function()
  local was, is = 0, 0
  local pull, push <close> = flow({}, 40)
  pull:route { { to = function(msg)
    was = was + 1
    if was == 15 then pull:route { { to = function() is = is + 1 return sb.DROP end } } end
    return sb.DROP
  end } }
  eventually(function() return was + is == 40 end, "all of them")
  eq(was, 15)
  eq(is, 25)
  pull:close()
end)

test("a handler that is replaced in a run has seen its last message", function()
  local was, is = 0, 0
  local pull, push <close> = flow({}, 40)
  pull:on_message(function(msg)
    was = was + 1
    if was == 15 then pull:on_message(function() is = is + 1 end) end
  end)
  eventually(function() return was + is == 40 end, "all of them")
  eq(was, 15)
  pull:close()
end)

test("a socket that its own handler closes sees no more", function()
  local calls = 0
  local pull, push <close> = flow({}, 40)
  pull:on_message(function() calls = calls + 1 if calls == 7 then pull:close() end end)
  eventually(function() return calls == 7 end)
  sb.sleep(0.05)
  eq(calls, 7)
end)

test("a message that was kept stays, the others end with their turn", function()
  local kept, stale
  local pull, push <close> = flow({}, 30)
  pull:on_message(function(msg)
    if msg:equals(1, "5") then kept = msg:keep() end
    if msg:equals(1, "6") then stale = msg end
    if msg:equals(1, "7") then fails("used after its handler returned", function() return stale[1] end) end
  end)
  eventually(function() return pull:stats().msgs_in == 30 end)
  eq(kept[1], "5")
  pull:close()
end)

test("what was edited before a wait or a keep is there after it", function()
  local to <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 0 }
  local seen, s <close> = {}, sb.pull { connect = to.last_endpoint }
  s:on_message(function(msg) seen[#seen + 1] = table.concat(msg:frames(), "|") end)
  local pull, push <close> = flow({}, 30)
  local kept
  pull:on_message(function(msg)
    msg[1] = "x" .. msg[1]
    msg:insert(1, "topic")
    if msg:equals(2, "x10") then sb.sleep(0.01) end
    if msg:equals(2, "x11") then kept = msg:keep() end
    msg[2] = msg[2] .. "y"
    to:send(msg)
  end)
  eventually(function() return #seen == 30 end, "all of them")
  for i = 1, 30 do eq(seen[i], "topic|x" .. i .. "y") end
  eq(table.concat(kept:frames(), "|"), "topic|x11y")
  pull:close()
end)

-- Functions as short as these are carried out without Lua.
test("what an edit made is held as it is while the target is full", function()
  local to <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 3 }
  local pull, push <close> = flow({}, 200)
  pull:pipe(to, function(msg) msg[1] = "x" .. msg[1] return msg end)
  sb.sleep(0.05)
  local seen, s <close> = sink(to)
  eventually(function() return #seen == 200 end, "all of them")
  for i = 1, 200 do eq(seen[i], "x" .. i) end
  pull:close()
end)

test("a filter that runs in the middle of a run may change where it goes on", function()
  local other <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 0 }
  local seen, s <close> = sink(other)
  local pub <close> = sb.pub { bind = "tcp://127.0.0.1:*" }
  local to, heard = pub, 0
  pub:filter("", function() to = other return true end)
  local sub <close> = sb.sub { connect = pub.last_endpoint, subscribe = "" }
  sub:on_message(function() heard = heard + 1 end)
  eventually(function() return pub:stats().subscriptions == 1 end, "the subscription")
  local pull, push <close> = flow({}, 40)
  pull:route { { to = function() return to end } }
  eventually(function() return #seen + heard == 40 end, "all of them")
  eq(heard, 1)
  pull:close()
end)

test("what a function that is sometimes Lua's changes is seen at once", function()
  local a <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 0 }
  local b <close> = sb.push { bind = "tcp://127.0.0.1:*", sndhwm = 0 }
  local at_a, s1 <close> = sink(a)
  local at_b, s2 <close> = sink(b)
  local to = a
  local pull, push <close> = flow({}, 40)
  pull:route { { to = function(msg)
    if msg:equals(1, "10") then to = b end
    return to
  end } }
  eventually(function() return #at_a + #at_b == 40 end, "all of them")
  eq(#at_a, 9)
  pull:close()
end)
