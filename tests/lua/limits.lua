-- A broken handler costs its message, never the server.
expect "ran longer than"
expect "not enough memory"
expect "first"
expect "more errors of scripts"
expect "invalid order function" -- table.sort may notice before the time is over

local function ends(fn)
  local before, t0 = sb.metrics().script.errors, sb.now()
  sb.spawn(fn)
  eventually(function() return sb.metrics().script.errors > before end)
  return sb.now() - t0
end

test("a busy loop ends", function() ends(function() while true do end end) end)

test("a busy loop inside pcall ends", function()
  ends(function() while true do pcall(function() while true do end end) end end)
end)

test("a busy loop inside a coroutine ends", function()
  ends(function() coroutine.wrap(function() while true do end end)() end)
  ends(function() while true do coroutine.resume(coroutine.create(function() while true do end end)) end end)
end)

test("a busy loop inside xpcall's handler ends", function()
  ends(function() while true do xpcall(error, function() while true do end end) end end)
end)

test("a busy __close ends", function()
  ends(function()
    local x <close> = setmetatable({}, { __close = function() while true do end end })
    error "first"
  end)
end)

test("a busy __index and __tostring end", function()
  ends(function() return setmetatable({}, { __index = function() while true do end end }).x end)
  expect "error object"
  ends(function() error(setmetatable({}, { __tostring = function() while true do end end })) end)
end)

test("memory is limited", function()
  local ok, err = pcall(function()
    local s = "x"
    while true do s = s .. s end
  end)
  eq(ok, false)
  ok, err = pcall(string.rep, "x", 1 << 40)
  eq(ok, false)
  ends(function()
    local t = {}
    while true do t[#t + 1] = { {} } end
  end)
  eq(#("y"):rep(1000), 1000)
end)

local function out_of_memory(fn)
  local ok, why = pcall(fn)
  eq(ok, false)
  assert(tostring(why):find("not enough memory", 1, true), why)
end

-- A sanitized build takes long to collect: what comes after it has time of its own.
local function rest() sb.sleep(0) end

test("what messages hold counts as the script's memory", function() -- 16 MiB here
  collectgarbage()
  rest()
  local text, kept = ("x"):rep(100000), {}
  local large = sb.message(text)
  out_of_memory(function() for i = 1, 1000 do kept[i] = large:copy() end end)
  rest()
  eq(#kept > 50 and #kept < 170, true)
  eq(collectgarbage "count" > 8000, true)
  kept = nil
  for _ = 1, 60 do -- room again, and none of these stays
    for _ = 1, 5 do sb.message(text) end
    rest()
  end
end)

test("what is edited into a message counts as well, until it is replaced", function()
  local before, text, m = collectgarbage "count", ("x"):rep(100000), sb.message "x"
  out_of_memory(function() for _ = 1, 1000 do m:insert(1, text) end end)
  rest()
  eq(#m > 50 and #m < 170, true)
  for i = 1, #m do m[i] = "" end
  for _ = 1, 60 do
    for _ = 1, 5 do m[1] = text end
    rest()
  end
  while #m > 0 do m:remove() end
  m = nil
  collectgarbage()
  eq(collectgarbage "count" < before + 1000, true)
end)

test("messages of a task count as well", function()
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local push <close> = sb.push { connect = pull.last_endpoint }
  local sent, over = 0, false
  sb.spawn(function()
    local kept = {}
    over = not pcall(function() for msg in pull:messages() do kept[#kept + 1] = msg end end)
  end)
  local text = ("x"):rep(100000)
  eventually(function()
    for _ = 1, 10 do
      if push:send(text, 0) then sent = sent + 1 end
    end
    return over
  end)
  eq(sent < 1000, true)
end)

test("C functions do not hang", function()
  fails("too many elements", table.move, {}, 1, 1 << 60, 2)
  fails("too many elements", table.concat, {}, "", 1, 1 << 60)
  local huge = setmetatable({}, { __len = function() return 1 << 60 end })
  fails("too many elements", table.insert, huge, 1, 1)
  fails("too many elements", table.remove, huge, 1)
  fails("too many elements", table.sort, huge)
  eq(string.rep("", 1 << 60), "")
  ends(function()
    local t = {}
    for i = 1, 300000 do t[i] = i % 1000 end
    for _ = 1, 100 do table.sort(t, rawequal) end
  end)
  ends(function() table.sort({ 1, 2, 3 }, function() while true do end end) end)
end)

test("C functions are not given more than they have time for", function()
  local large = ("x"):rep(7000000)
  eq(#large, 7000000)
  fails("larger than the script has time for", load, large)
  local text, why = sb.json.decode(large)
  eq(text, nil)
  eq(why, "Cannot decode: the text is larger than the script has time for")
  text, why = sb.json.encode { large }
  eq(text, nil)
  eq(why, "Cannot serialise: the value is larger than the script has time for")
  fails("too many elements", table.concat, setmetatable({}, { __len = function() return 10000000 end }))
  fails("too large", string.rep, "ab", 1 << 62, ",")
end)

-- Each call is short for the hook, which counts instructions, and long for the clock. Without a look at the clock around the
-- call these take twenty times the handler's time or more. Best of three, and compared with what ending a plain loop takes:
-- machines that test are loaded.
test("loops around long C calls end in time", function()
  local loops = {
    unpack = function()
      local t = {}
      for i = 1, 600000 do t[i] = i end
      while true do local n = select("#", table.unpack(t)) end
    end,
    sort = function()
      local large, t = ("x"):rep(2000000), {}
      local pair = { large .. "a", large .. "b" }
      for i = 1, 5000 do t[i] = pair[i % 2 + 1] end
      table.sort(t)
    end,
    ["sort with a function of C"] = function()
      local large, t = ("x"):rep(2000000), {}
      local pair = { large .. "a", large .. "a" }
      for i = 1, 5000 do t[i] = pair[i % 2 + 1] end
      table.sort(t, rawequal)
    end,
    tonumber = function()
      local digits = ("1"):rep(6000000)
      while true do tonumber(digits, 2) end
    end,
  }
  for name, loop in pairs(loops) do
    local best, plain = math.huge, math.huge
    for _ = 1, 3 do
      plain = math.min(plain, ends(function() while true do end end))
      best = math.min(best, ends(loop))
    end
    assert(best < 6 * plain + 0.2, name .. " took " .. best .. " s, a plain loop " .. plain)
  end
end)

test("attacks that only look like one", function()
  local function endless(n) return (("x"):gsub(".", function() return endless(n + 1) end)) end
  fails("C stack overflow", endless, 0)
  local t = {}
  setmetatable(t, { __tostring = function() return string.format("%s", t) end })
  fails("C stack overflow", tostring, t)
  fails("C stack overflow", function()
    local function sort() table.sort({ 3, 2, 1 }, function() sort() return true end) end
    sort()
  end)
  eq(load(("("):rep(100000)), nil)
  eq(load("return " .. ("{"):rep(10000) .. ("}"):rep(10000)), nil)
  local once
  eq(load(function() if not once then once = true return "\27Lua" end end), nil)
  local late = {}
  setmetatable({}, late)
  late.__gc = function() while true do end end
  fails("__gc is not for scripts", setmetatable, {}, late)
  fails("module 'debug' not found", require, "debug")
  eq(require("_G").debug, nil)
  fails("too many results to unpack", table.unpack, {}, 1, 10000000)
end)

test("rep is that of the library", function()
  eq(("ab"):rep(3), "ababab")
  eq(("ab"):rep(3, ", "), "ab, ab, ab")
  eq((""):rep(3, "-"), "--")
  eq(("x"):rep(0), "")
  eq(("x"):rep(-1, "y"), "")
  eq(("x"):rep(1, "yyyy"), "x")
  for n = 1, 40 do
    eq(#("abc"):rep(n, "--"), n * 5 - 2)
    eq(("abc"):rep(n, "--"):gsub("abc", ""), ("--"):rep(n - 1))
  end
end)

test("callbacks of gsub and iterators of for end", function()
  ends(function() return ("x"):gsub(".", function() while true do end end) end)
  ends(function() return ("x"):gsub(".", setmetatable({}, { __index = function() while true do end end })) end)
  ends(function() for _ in function() while true do end end do end end)
end)

test("the next message is served after a limit was hit", function()
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local push <close> = sb.push { connect = pull.last_endpoint }
  local seen = 0
  pull:on_message(function(msg)
    if msg:equals(1, "spin") then while true do end end
    if msg:equals(1, "eat") then
      local t = {}
      while true do t[#t + 1] = { {} } end
    end
    seen = seen + 1
  end)
  for _, what in ipairs { "spin", "eat", "spin" } do
    push:send(what)
    push:send "good"
  end
  eventually(function() return seen == 3 end)
  eq(pull:stats().dropped.script, 3)
end)

test("wide json is refused", function()
  local t = { 1 }
  for _ = 1, 60 do t = { t, t } end
  local before, refused = sb.metrics().script.errors
  sb.spawn(function() refused = sb.json.encode(t) == nil end)
  eventually(function() return refused or sb.metrics().script.errors > before end)
  fails("at most 1000", sb.json.encode_max_depth, 1 << 30)
  eq(sb.json.new, nil)
end)

test("text only, and nothing to escape with", function()
  eq(string.dump, nil)
  local chunk, why = load("\27Lua", "x", "bt")
  eq(chunk, nil)
  assert(why:find("attempt to load a binary chunk", 1, true), why)
  eq(load(string.char(27) .. "LuaT", "x", "b"), nil)
  eq(load("return 1", "x", "bt")(), 1)
  eq(load("return x", "x", "t", { x = 5 })(), 5)
  eq(io, nil)
  eq(os, nil)
  eq(debug, nil)
  eq(package, nil)
  eq(dofile, nil)
  eq(loadfile, nil)
  eq(getmetatable "", false)
  eq(getmetatable(_G), false)
  fails("cannot change a protected metatable", setmetatable, _G, {})
  fails("__gc is not for scripts", setmetatable, {}, { __gc = print })
  fails("module 'socket' not found", require, "socket")
  fails("collectgarbage knows", collectgarbage, "step")
  eq(type(collectgarbage "count"), "number")
end)

test("globals are refused", function()
  fails("assignment to undeclared global 'oops'; use local", function() oops = 1 end)
  eq(undefined_name, nil)
end)

test("metatables of our objects are closed", function()
  local s <close> = sb.pull {}
  eq(getmetatable(s), false)
  eq(getmetatable(sb.message "x"), false)
  eq(getmetatable(sb.DROP), false)
  fails("message expected", sb.message("x").size, s)
  fails("socket expected", s.send, sb.message "x")
  fails("peer expected", s.kick, s, s)
  fails("socket expected", s.send, 5)
end)

test("too many tasks are refused", function()
  local n, ok, err, code = 0, true
  while ok and n < 600 do -- lua_run allows 500
    n = n + 1
    ok, err, code = sb.spawn(sb.sleep, 0.05)
  end
  eq(code, "EAGAIN")
  eq(err, "too many open tasks")
  eq(n > 400, true)
  eventually(function() return sb.metrics().script.tasks < 10 end)
end)

-- As many open tasks as there may be, until `fn` has returned.
local function while_full(fn)
  local over, ok, n = false, true, 0
  while ok and n < 600 do
    n = n + 1
    ok = sb.spawn(function() while not over do sb.sleep(0.01) end end)
    if n % 100 == 0 then sb.sleep(0) end -- they are open when they wait
  end
  eq(ok, nil, "a place that is free")
  local good, why = pcall(fn)
  over = true
  eventually(function() return sb.metrics().script.tasks < 10 end, "the end of the tasks")
  eq(good, true, why)
end

test("a handler that would wait as one task too many fails", function()
  expect "too many open tasks"
  local began, ended = 0, 0
  local pull <close> = sb.pull { bind = "inproc://full" }
  pull:on_message(function() began = began + 1 sb.sleep(0.01) ended = ended + 1 end)
  local push <close> = sb.push { connect = "inproc://full" }
  while_full(function()
    local before = sb.metrics().script.errors
    push:send "x"
    eventually(function() return sb.metrics().script.errors == before + 1 end, "the error")
  end)
  eq(began, 1)
  eq(ended, 0)
  push:send "y"
  eventually(function() return ended == 1 end, "a handler that has a place")
end)

test("events that find no free task are not told", function()
  local told = 0
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  pull:on_peer(function() told = told + 1 end)
  while_full(function()
    local push <close> = sb.push { connect = pull.last_endpoint }
    eventually(function() return #pull:peers() == 1 end, "the peer")
    eq(told, 0)
  end)
  local push <close> = sb.push { connect = pull.last_endpoint }
  eventually(function() return told > 0 end, "an event")
end)

test("who wants in and finds no free task is turned away for now", function()
  expect "no task for a peer that wants in"
  sb.authenticate(function() return true end)
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*", plain_server = true }
  local push
  while_full(function()
    push = sb.push { connect = pull.last_endpoint, plain_username = "ada", plain_password = "x", reconnect_ivl = 0.05 }
    eventually(function() return pull:stats().handshake_failures.auth > 0 end, "the refusal")
    eq(#pull:peers(), 0)
  end)
  eventually(function() return #pull:peers() == 1 end, "the peer")
  push:close()
  sb.authenticate(nil)
end)

test("too many timers are refused", function()
  local timers, t, err, code = {}, true
  while t and #timers < 600 do
    t, err, code = sb.after(60, print)
    timers[#timers + 1] = t
  end
  eq(code, "EAGAIN")
  eq(err, "too many timers")
  eq(#timers > 400, true)
  for _, timer in ipairs(timers) do timer:cancel() end
  t = sb.after(60, print)
  t:cancel()
end)

test("waiting where it cannot be is an error", function()
  fails("coroutine of the script's own", coroutine.wrap(function() sb.sleep(1) end))
  fails("inside a metamethod, iterator or callback", table.sort, { 1, 2, 3 }, function() sb.sleep(1) end)
end)

test("a stray yield ends the task only", function()
  expect "coroutine.yield outside"
  ends(function() coroutine.yield(1) end)
end)

test("connections are limited by address and identity", function()
  local refusals = {}
  local s <close> = sb.router { bind = "tcp://127.0.0.1:*", max_peers_per_address = 3, max_peers_per_identity = 1 }
  s:on_peer(function(event, _, info)
    if event == "peer_refused" then refusals[#refusals + 1] = info.detail end
  end)
  local once = { connect = s.last_endpoint, routing_id = "bob", reconnect_ivl = -1 }
  local a <close> = sb.dealer(once)
  eventually(function() return #s:peers() == 1 end)
  local b <close> = sb.dealer(once)
  eventually(function() return #refusals == 1 end)
  eq(refusals[1], "max_peers_per_identity is reached")
  once.routing_id = nil
  local c <close> = sb.dealer(once)
  eventually(function() return #s:peers() == 2 end)
  local e <close> = sb.dealer(once)
  eventually(function() return #s:peers() == 3 end)
  local f <close> = sb.dealer(once)
  eventually(function() return #refusals == 2 end)
  eq(refusals[2], "max_peers_per_address is reached")
end)
