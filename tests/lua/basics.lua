-- Tasks, time, JSON, and two sockets that talk.
local json = require "cjson.safe"

test("sleep takes its time", function()
  local t0 = sb.metrics()
  eq(sb.sleep("10ms"), true)
  eq(type(t0.sockets), "table")
end)

test("json is built in", function()
  eq(json.encode { a = 1 }, '{"a":1}')
  eq(json.decode('{"x":[1,2]}').x[2], 2)
  local v, err = json.decode("{")
  eq(v, nil)
  eq(type(err), "string")
  eq(sb.json, json)
end)

test("push sends to pull", function()
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local push <close> = sb.push { connect = pull.last_endpoint }
  eq(push:send("hello"), true)
  local msg = pull:recv(5)
  eq(msg[1], "hello")
  eq(#msg, 1)
  eq(push:send { "a", "", "c" }, true)
  msg = pull:recv(5)
  eq(#msg, 3)
  eq(msg[2], "")
  eq(msg[3], "c")
  eq(msg[4], nil)
end)

test("recv times out", function()
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local msg, err, code = pull:recv(0.05)
  eq(msg, nil)
  eq(err, "timeout")
  eq(code, "ETIMEDOUT")
  msg, err, code = pull:recv(0)
  eq(code, "EAGAIN")
end)

test("req asks and rep answers by returning", function()
  local rep <close> = sb.rep { bind = "tcp://127.0.0.1:*" }
  rep:on_message(function(msg) return "re:" .. msg[1] end)
  local req <close> = sb.req { connect = rep.last_endpoint }
  for i = 1, 5 do
    local answer, err = req:request("q" .. i, 5)
    eq(err, nil)
    eq(answer[1], "re:q" .. i)
  end
end)
