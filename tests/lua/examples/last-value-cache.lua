test("the last value of each topic, then what is new", function()
  local pub <close> = sb.pub { connect = "inproc://source" }
  local all <close> = sb.sub { connect = "inproc://feed" }
  assert(all:subscribe("", { confirm = true, timeout = 5 }))
  eventually(function() return pub:stats().subscriptions == 1 end)
  for i = 1, 3 do
    pub:send { "a", tostring(i) }
    pub:send { "b", tostring(i) }
  end
  repeat until table.concat(assert(all:recv_all(5)), "=") == "b=3" -- some may be conflated on their way
  local late <close> = sb.sub { connect = "inproc://feed", subscribe = "a" }
  eq(table.concat(late:recv_all(5), "="), "a=3")
  pub:send { "a", "4" }
  eq(table.concat(late:recv_all(5), "="), "a=4")
  pub:send { "a", "" }
  eq(table.concat(late:recv_all(5), "="), "a=")
  local later <close> = sb.sub { connect = "inproc://feed" }
  assert(later:subscribe("", { confirm = true, timeout = 5 }))
  pub:send { "c", "1" }
  eq(table.concat(later:recv_all(5), "="), "b=3")
  eq(table.concat(later:recv_all(5), "="), "c=1")
end)
