-- REQ with req_resend and req_deadline.
test("a request goes on to a server that answers", function()
  local dead <close> = sb.rep { bind = "tcp://127.0.0.1:*" }
  dead:on_message(function() sb.sleep(5) return "late" end)
  local good <close> = sb.rep { bind = "tcp://127.0.0.1:*" }
  good:on_message(function(msg) return "re: " .. msg[1] end)
  local req <close> = sb.req { connect = { dead.last_endpoint, good.last_endpoint }, req_resend = 0.02, linger = 0 }
  for i = 1, 3 do eq(assert(req:request("r" .. i, 5))[1], "re: r" .. i) end
end)

test("a request survives its server", function()
  local first = sb.rep { name = "first", bind = "tcp://127.0.0.1:*" }
  local at, asked = first.last_endpoint, false
  first:on_message(function() asked = true sb.sleep(5) return "never" end)
  local req <close> = sb.req { connect = at, req_resend = 10, reconnect_ivl = 0.02, linger = 0 }
  local answer
  sb.spawn(function() answer = req:request("job", 10) end)
  eventually(function() return asked end)
  first:set("linger", 0):close()
  local second
  eventually(function() second = sb.rep { bind = at } return second end)
  second:on_message(function(msg) return "second: " .. msg[1] end)
  eventually(function() return answer end)
  eq(answer[1], "second: job")
  second:close()
end)

test("a deadline ends a request", function()
  local req <close> = sb.req { connect = "inproc://nobody-answers", req_deadline = 0.03, req_relaxed = false, linger = 0 }
  assert(req:send "x")
  eq(select(3, req:send("y", 0)), "EFSM")
  eventually(function() return req:stats().dropped.expired == 1 end)
  assert(req:send("y", 0))
end)

test("a deadline is told, and ends the wait", function()
  local seen, again = {}, nil
  local req <close> = sb.req { connect = "inproc://nobody-answers-2", req_deadline = 0.03, linger = 0 }
  req:on_peer(function(event, peer, info)
    if event ~= "request_expired" then return end
    seen[#seen + 1] = { peer ~= nil, info.error, info.detail }
    if #seen == 1 then again = req:send("from inside", 0) end
  end)
  local rep, text, code = req:request "x"                -- no timeout of its own
  eq(rep, nil)
  eq(text, "timeout")
  eq(code, "ETIMEDOUT")
  eventually(function() return #seen == 2 end)
  eq(again, true)
  eq(seen[1][1], true)
  eq(seen[1][2], "ETIMEDOUT")
  eq(seen[1][3], "no answer within req_deadline")
end)
