-- Tasks, timers, requests, proxies.
expect "more errors of scripts"
expect "boom"

test("every ticks until it is cancelled", function()
  local n, timer = 0, nil
  timer = sb.every(0.01, function(exiting)
    n = n + 1
    eq(exiting, false)
    if n == 3 then timer:cancel() end
  end)
  eventually(function() return n == 3 end)
  sb.sleep(0.05)
  eq(n, 3)
  eq(timer:cancel(), false)
end)

test("every goes on after an error", function()
  local n = 0
  local timer = sb.every("5ms", function() n = n + 1; if n == 1 then error "boom" end end)
  eventually(function() return n >= 3 end)
  timer:cancel()
end)

test("a tick that waits is not started twice", function()
  local open, most = 0, 0
  local timer = sb.every(0.002, function()
    open = open + 1
    most = math.max(most, open)
    sb.sleep(0.01)
    open = open - 1
  end)
  sb.sleep(0.05)
  timer:cancel()
  eventually(function() return open == 0 end)
  eq(most, 1)
end)

test("after runs once", function()
  local n = 0
  sb.after(0.01, function() n = n + 1 end)
  local never = sb.after(0.01, function() n = n + 100 end)
  eq(never:cancel(), true)
  sb.sleep(0.05)
  eq(n, 1)
  collectgarbage()
end)

test("spawn passes arguments", function()
  local got
  eq(sb.spawn(function(...) got = table.concat({ ... }, ",") end, 1, 2, "x"), true)
  eventually(function() return got end)
  eq(got, "1,2,x")
  fails("function expected", sb.spawn, 5)
end)

test("coroutines that nobody resumes go", function()
  local pull <close> = sb.pull { bind = "inproc://yielding" }
  local push <close> = sb.push { connect = "inproc://yielding" }
  local begun, n = 0, 5000 -- of 10 KB each: more than the 16 MiB that lua_run gives
  pull:on_message(function(msg)
    local text = ("x"):rep(10000) .. msg[1]
    coroutine.wrap(function() begun = begun + 1 coroutine.yield(text) end)()
  end)
  for i = 1, n do
    push:send(tostring(i))
    if i % 500 == 0 then eventually(function() return begun >= i end, i) end
  end
  eq(sb.metrics().script.tasks < 10, true)
end)

test("times are checked", function()
  fails("is not a time", sb.sleep, "soon")
  fails("seconds expected", sb.sleep, -1)
  fails("at least 0.0001", sb.every, 0, print)

end)

test("a request times out and the socket goes on", function()
  local rep <close> = sb.rep { bind = "tcp://127.0.0.1:*" }
  rep:on_message(function(msg)
    if msg:equals(1, "slow") then sb.sleep(0.05) end
    return "re:" .. msg[1]
  end)
  local req <close> = sb.req { connect = rep.last_endpoint }
  local none, err, code = req:request("slow", 0.01)
  eq(none, nil)
  eq(err, "timeout")
  eq(code, "ETIMEDOUT")
  eq(req:request("fast", 5)[1], "re:fast")
  local busy
  sb.spawn(function() req:request("slow", 5) busy = true end)
  sb.sleep(0.001)
  none, err, code = req:request("other", 5)
  eq(code, "EFSM")
  eventually(function() return busy end)
  fails("request belongs to REQ and DEALER", rep.request, rep, "x")
  fails("a message is", req.request, req, print)
  eq(req:request("fast", 5)[1], "re:fast")
end)

test("a request to nobody times out", function()
  local req <close> = sb.req {}
  eq(select(3, req:request("x", 0.01)), "ETIMEDOUT")
  local dealer <close> = sb.dealer {}
  eq(select(3, dealer:request("x", 0.01)), "ETIMEDOUT")
end)

test("closing wakes who waits", function()
  local codes = {}
  local s = sb.dealer { bind = "tcp://127.0.0.1:*" }
  sb.spawn(function() codes[1] = select(3, s:recv()) end)
  local t = sb.push {}
  sb.spawn(function() codes[2] = select(3, t:send "x") end)
  local r = sb.req {}
  sb.spawn(function() codes[3] = select(3, r:request("x", 5)) end)
  sb.sleep(0.01)
  s:close()
  t:close()
  r:close()
  eventually(function() return codes[1] and codes[2] and codes[3] end)
  eq(codes[1] .. codes[2] .. codes[3], "ECLOSEDECLOSEDECLOSED")
end)

test("a proxy passes, counts, captures and pauses", function()
  local front <close> = sb.router { bind = "tcp://127.0.0.1:*" }
  local back <close> = sb.dealer { bind = "tcp://127.0.0.1:*" }
  local copy <close> = sb.push { bind = "tcp://127.0.0.1:*" }
  local watch <close> = sb.pull { connect = copy.last_endpoint }
  local proxy = sb.proxy(front, back, copy)
  local rep <close> = sb.rep { connect = back.last_endpoint }
  rep:on_message(function(msg) return "re:" .. msg[1] end)
  local req <close> = sb.req { connect = front.last_endpoint }
  eventually(function() return #copy:peers() == 1 end)
  eq(req:request("a", 5)[1], "re:a")
  local st = proxy:statistics()
  eq(st.front.msgs, 1)
  eq(st.back.msgs, 1)
  eq(st.paused, false)
  eq(st.captured.msgs, 2)
  eq(st.missed, 0)
  eq(watch:recv(5) ~= nil, true)
  proxy:pause()
  local answer
  sb.spawn(function() answer = req:request("b", 5) end)
  sb.sleep(0.02)
  eq(answer, nil)
  proxy:resume()
  eventually(function() return answer end)
  eq(answer[1], "re:b")
  proxy:stop()
  eq(front:recv(0), nil)
  req:send("c", 0)
  eq(front:recv(5)[1], "c")                                 -- passed on no more: it is for who receives by hand
  eq(proxy:statistics().front.msgs, 2)
end)

test("a capture that is full slows nothing", function()
  local front <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local back <close> = sb.push { bind = "tcp://127.0.0.1:*" }
  local copy <close> = sb.push { sndhwm = 5, linger = 0 }
  copy:connect "inproc://nobody-captures"
  local proxy = sb.proxy(front, back, copy)
  local from <close> = sb.push { connect = front.last_endpoint }
  local to <close> = sb.pull { connect = back.last_endpoint }
  for i = 1, 50 do from:send { tostring(i), "x" } end
  for i = 1, 50 do eq(to:recv(5)[1], tostring(i)) end
  local st = proxy:statistics()
  eq(st.front.msgs, 50)
  eq(st.front.bytes, 91 + 50)
  eq(st.captured.msgs, 5)
  eq(st.missed, 45)
end)

test("what a capture drops by its policy is missed, too", function()
  local front <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local back <close> = sb.push { bind = "tcp://127.0.0.1:*" }
  local copy <close> = sb.push { sndhwm = 5, linger = 0, on_full = "drop_new" }
  copy:connect "inproc://nobody-captures-either"
  local proxy = sb.proxy(front, back, copy)
  local from <close> = sb.push { connect = front.last_endpoint }
  local to <close> = sb.pull { connect = back.last_endpoint }
  for i = 1, 50 do from:send(tostring(i)) end
  for i = 1, 50 do eq(to:recv(5)[1], tostring(i)) end
  local st = proxy:statistics()
  eq(st.captured.msgs, 5)
  eq(st.missed, 45)
  eq(copy:stats().dropped.hwm, 45)
end)

test("subscriptions go up through a proxy", function()
  local up <close> = sb.xpub { bind = "tcp://127.0.0.1:*" }
  local xsub <close> = sb.xsub { connect = up.last_endpoint }
  local xpub <close> = sb.xpub { bind = "tcp://127.0.0.1:*" }
  sb.proxy(xsub, xpub)
  local sub <close> = sb.sub { connect = xpub.last_endpoint, subscribe = "a." }
  local first = up:recv(5)
  eq(first[1], "\1a.")
  up:send { "a.1", "x" }
  up:send { "b.1", "x" }
  eq(sub:recv(5)[1], "a.1")
  eq(select(3, sub:recv(0.02)), "ETIMEDOUT")
end)

test("phase and tokens", function()
  eq(sb.phase(), "run")
  eq(sb.exiting(), false)
  eq(tostring(sb.DROP), "sb.DROP")
  eq(tostring(sb.ACCEPT), "sb.ACCEPT")
  eq(math.abs(sb.now() - sb.now()) < 60, true)
end)
