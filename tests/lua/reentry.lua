-- Scripts that pull the rug from under themselves: closing, replacing and kicking from inside handlers.
expect "more errors of scripts"
expect "boom"
expect "returned a closed socket"

local function link(kind, other)
  local a = sb[kind] { bind = "tcp://127.0.0.1:*" }
  local b = sb[other] { connect = a.last_endpoint, linger = 0 }
  return a, b
end

test("a route function closes its own socket", function()
  local pull, push <close> = link("pull", "push")
  local n = 0
  pull:route { { to = function() n = n + 1; pull:close(); return sb.DROP end } }
  for _ = 1, 5 do push:send "x" end
  eventually(function() return pull.closed end)
  eq(n, 1)
end)

test("a route function replaces its own route", function()
  local pull, push <close> = link("pull", "push")
  local n = 0
  pull:route { { to = function()
    pull:route { { to = function() n = n + 10; return sb.DROP end } }
    n = n + 1
    return sb.DROP
  end } }
  for _ = 1, 3 do push:send "x" end
  eventually(function() return n == 21 end)
  pull:close()
end)

test("a route function closes the target it returns", function()
  local pull, push <close> = link("pull", "push")
  local out, sink <close> = link("push", "pull")
  local n = 0
  pull:route { { to = function() n = n + 1; out:close(); return out end } }
  push:send "x"
  eventually(function() return n == 1 end)
  sb.sleep(0.01)
  eq(pull:stats().dropped.script, 1)
  pull:close()
end)

test("a pipe function closes both ends", function()
  local pull, push <close> = link("pull", "push")
  local out, sink <close> = link("push", "pull")
  pull:pipe(out, function(msg) out:close(); pull:close(); return msg end)
  push:send "x"
  eventually(function() return pull.closed end)
end)

test("a handler that waits outlives its socket and its peer", function()
  local pull, push = link("pull", "push")
  local state = "before"
  pull:on_message(function(msg, peer)
    state = "waiting"
    sb.sleep(0.05)
    state = msg[1] .. tostring(peer.connected)
  end)
  push:send "x"
  eventually(function() return state == "waiting" end)
  push:close()
  pull:close()
  eventually(function() return state == "xfalse" end)
end)

test("a handler kicks the peer it serves and answers it", function()
  local rep <close> = sb.router { bind = "tcp://127.0.0.1:*" }
  local n = 0
  rep:on_message(function(msg, peer)
    n = n + 1
    peer:kick "bye"
    return "too late"
  end)
  local req <close> = sb.dealer { connect = rep.last_endpoint }
  req:send { "", "x" }
  eventually(function() return n == 1 end)
  sb.sleep(0.02)
  eq(#rep:peers() <= 1, true)
end)

test("on_subscribe closes the socket, or waits until it is closed", function()
  local feed = sb.xpub { bind = "tcp://127.0.0.1:*" }
  local sub <close> = sb.sub { connect = feed.last_endpoint, subscribe = "x" }
  feed:on_subscribe(function() feed:close(); return sb.ACCEPT end)
  eventually(function() return feed.closed end)
  local slow = sb.xpub { bind = "tcp://127.0.0.1:*" }
  local late <close> = sb.sub { connect = slow.last_endpoint, subscribe = "x" }
  local asked, answered
  slow:on_subscribe(function() asked = true; sb.sleep(0.05); answered = true; return sb.ACCEPT end)
  eventually(function() return asked end)
  slow:close()
  late:close()
  eventually(function() return answered end)
end)

test("on_peer closes the socket", function()
  local pull, push <close> = link("pull", "push")
  pull:on_peer(function() if not pull.closed then pull:close() end end)
  eventually(function() return pull.closed end)
end)

test("a socket that sends to itself", function()
  local pull = sb.pull { bind = "inproc://self" }
  local push = sb.push { connect = "inproc://self" }
  local n = 0
  pull:on_message(function(msg)
    n = n + 1
    if n < 500 then push:send(msg) end
  end)
  push:send "x"
  eventually(function() return n == 500 end)
  pull:close()
  push:close()
end)

test("tasks feed each other through queues", function()
  local pull, push = link("pull", "push")
  local n = 0
  sb.spawn(function() for msg in pull:messages() do n = n + 1 end n = -n end)
  sb.spawn(function() for i = 1, 3000 do assert(push:send("m" .. i)) end end)
  eventually(function() return n == 3000 end)
  pull:close()
  push:close()
  eventually(function() return n == -3000 end)
end)

test("errors inside closing functions", function()
  local before = sb.metrics().script.errors
  sb.spawn(function()
    local x <close> = setmetatable({}, { __close = function() error "boom in close" end })
    local y <close> = setmetatable({}, { __close = function() sb.sleep(0.001) end })
    error "boom"
  end)
  eventually(function() return sb.metrics().script.errors > before end)
  local ok
  sb.spawn(function()
    do local y <close> = setmetatable({}, { __close = function() sb.sleep(0.001) end }) end
    ok = true
  end)
  eventually(function() return ok end)
end)

test("nothing is left open", function()
  collectgarbage()
  eventually(function() return sb.metrics().script.tasks <= 1 end)
end)
