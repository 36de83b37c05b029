test("only those who may hear", function()
  local pub <close> = sb.pub { connect = "inproc://source" }
  local guest <close> = sb.sub { connect = "inproc://feed", subscribe = { "public.", "private.", "" } }
  local other <close> = sb.sub { connect = "inproc://feed", subscribe = "other." }
  eventually(function() return pub:stats().subscriptions == 1 end)
  sb.sleep(0.05)
  pub:send { "private.x", "secret" }
  pub:send { "other.x", "lost" }
  pub:send { "public.x", "news" }
  eq(guest:recv(5)[1], "public.x")
  eq(select(3, guest:recv(0.02)), "ETIMEDOUT")
  eq(select(3, other:recv(0.02)), "ETIMEDOUT")
end)
