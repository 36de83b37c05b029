expect "job without a number"

test("letters are kept with their reason", function()
  local push <close> = sb.push { connect = "inproc://input" }
  local pull <close> = sb.pull { connect = "inproc://work" }
  local shelf <close> = sb.req { connect = "inproc://shelf" }
  eq(shelf:request("?", 5)[1], "none")
  push:send { "job.1", "5" }
  push:send { "job.2", "-5" }
  push:send { "job.3", "many" }
  push:send { "parcel" }
  eq(pull:recv(5)[1], "job.1")
  local got
  eventually(function()
    got = shelf:request("?", 5)
    return #got == 3
  end)
  eq(got[1], "no route: parcel")
  eq(got[2]:find("job without a number: job.3", 1, true) ~= nil, true)
  eq(got[3], "negative: job.2")
end)
