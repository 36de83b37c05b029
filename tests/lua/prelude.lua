local sb = require "signalbox"
local tests = {}
local function test(name, fn) print("TEST " .. name) tests[#tests + 1] = {name, fn} end
local function expect(text) print("EXPECT " .. text) end
local function eq(got, want, what) if got ~= want then
error((what or "value") .. ": got " .. tostring(got) .. ", wanted " .. tostring(want), 2) end end
local function fails(text, fn, ...) local ok, err = pcall(fn, ...)
if ok then error("no error, wanted: " .. text, 2) end
if not tostring(err):find(text, 1, true) then error("wrong error: " .. tostring(err) .. ", wanted: " .. text, 2) end end
local function eventually(fn, what) for i = 1, 200 do if fn() then return end sb.sleep(0.01) end
error("never: " .. (what or "condition"), 2) end
local function run_tests() sb.spawn(function() for _, t in ipairs(tests) do
local ok, err = pcall(t[2]) if ok then print("PASS " .. t[1]) else sb.log.error("FAILED " .. t[1] .. ": " .. tostring(err)) end end
print("DONE") end) end
