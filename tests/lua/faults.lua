-- Errors of handlers: logged, counted, dead-lettered.
expect "boom"
expect "more errors of scripts"
expect "no reply"
expect "returned something that is no message"
expect "a route function returns"

local function rig(fn)
  local dead = sb.pull { bind = "tcp://127.0.0.1:*" }
  local dlq = sb.push { connect = dead.last_endpoint }
  sb.dead_letter(dlq)
  local pull = sb.pull { bind = "tcp://127.0.0.1:*" }
  local push = sb.push { connect = pull.last_endpoint }
  fn(pull)
  return push, dead, function()
    sb.dead_letter(nil)
    for _, s in ipairs { dead, dlq, pull, push } do s:close() end
  end
end

test("an error dead-letters the message with reason and line", function()
  local push, dead, close = rig(function(pull)
    pull:on_message(function(msg)
      msg[1] = "edited"
      error "boom"
    end)
  end)
  push:send { "first", "second" }
  local msg = dead:recv(5)
  eq(#msg, 3)
  eq(msg[2], "first")
  eq(msg[3], "second")
  local head = sb.json.decode(msg[1])
  eq(head.reason:find("boom", 1, true) ~= nil, true)
  eq(head.where, "faults.lua:25")
  eq(type(head.socket), "string")
  close()
end)

test("an error after waiting dead-letters the message as it came", function()
  local push, dead, close = rig(function(pull)
    pull:on_message(function(msg)
      sb.sleep(0.01)
      msg[1] = "edited"
      error "boom later"
    end)
  end)
  push:send { "first", "second" }
  local msg = dead:recv(5)
  eq(msg[2], "first")
  eq(sb.json.decode(msg[1]).where, "faults.lua:45")
  close()
end)

test("nil, reason refuses a message", function()
  local push, dead, close = rig(function(pull) pull:on_message(function(msg) return nil, "not today" end) end)
  push:send "x"
  local msg = dead:recv(5)
  eq(sb.json.decode(msg[1]).reason, "not today")
  eq(sb.json.decode(msg[1]).where, "faults.lua:56")
  close()
end)

test("errors without end are limited in the log", function()
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local push <close> = sb.push { connect = pull.last_endpoint }
  pull:on_message(function() error "boom" end)
  local before = sb.metrics().script.errors
  for i = 1, 500 do push:send "x" end
  eventually(function() return sb.metrics().script.errors >= before + 500 end)
  eq(pull:stats().dropped.script, 500)
  sb.sleep(1.1)
  push:send "x"
  eventually(function() return sb.metrics().script.errors >= before + 501 end)
end)

test("an error in every message leaves nothing behind", function()
  local pull <close> = sb.pull { bind = "inproc://failing" }
  local push <close> = sb.push { connect = "inproc://failing" }
  pull:on_message(function(msg)
    local own = { msg[1] }
    coroutine.wrap(function() error({ own, ("x"):rep(2000) .. #own[1] }) end)()
  end)
  expect "the error is a table"
  local before, n = sb.metrics().script.errors, 20000 -- of 2 KB each: more than the 16 MiB that lua_run gives
  for i = 1, n do
    push:send(tostring(i))
    if i % 500 == 0 then eventually(function() return sb.metrics().script.errors >= before + i end, i) end
  end
  eq(sb.metrics().script.errors, before + n)
  eq(pull:stats().dropped.script, n)
  eq(sb.metrics().script.tasks < 10, true)
end)

test("a rep whose handler fails still answers", function()
  local rep <close> = sb.rep { bind = "tcp://127.0.0.1:*" }
  rep:on_message(function(msg)
    if msg:equals(1, "bad") then error "boom" end
    if msg:equals(1, "drop") then return sb.DROP end
    if msg:equals(1, "odd") then return {} end
    return "ok"
  end)
  local req <close> = sb.req { connect = rep.last_endpoint }
  eq(req:request("bad", 5)[1], "")
  eq(req:request("good", 5)[1], "ok")
  eq(req:request("drop", 5)[1], "")
  eq(req:request("odd", 5)[1], "")
  eq(req:request("good", 5)[1], "ok")
end)

test("wrong results of functions are errors", function()
  local push, dead, close = rig(function(pull)
    local sink = sb.push {}
    pull:pipe(sink, function() return print end)
  end)
  push:send "x"
  eq(sb.json.decode(dead:recv(5)[1]).reason:find("no message", 1, true) ~= nil, true)
  close()
  push, dead, close = rig(function(pull) pull:route { { to = function() return 5 end } } end)
  push:send "x"
  eq(sb.json.decode(dead:recv(5)[1]).reason:find("a route function returns", 1, true) ~= nil, true)
  close()
end)
