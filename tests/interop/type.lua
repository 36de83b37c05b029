-- One socket of any type for test_scripts.py: kind=, how=bind|connect, at=ENDPOINT; what it hears goes to out=, what it
-- shall say comes from inp=.
local sb = require "signalbox"
local cfg = ...

local options = { name = "subject", [cfg.how] = cfg.at }
if cfg.kind == "sub" or cfg.kind == "xsub" then options.subscribe = "" end
if cfg.kind == "router" then options.router_mandatory = true end
local subject = sb[cfg.kind](options)
local out = sb.push { name = "out", connect = cfg.out }
local inp = sb.pull { name = "inp", connect = cfg.inp }

local function echo(msg)
  assert(subject:send(msg))
end

local function frames(msg)
  local t = {}
  for i = 1, #msg do t[i] = msg[i] end
  return t
end

local act = {
  pair = function() subject:on_message(echo) end,
  dealer = function() subject:on_message(echo) end,
  router = function() subject:on_message(echo) end,
  rep = function() subject:on_message(frames) end,
  pull = function() subject:pipe(out) end,
  sub = function() subject:pipe(out) end,
  xsub = function() subject:pipe(out, function(msg) return msg end) end,
  push = function() inp:pipe(subject) end,
  pub = function() inp:pipe(subject) end,
  xpub = function() inp:pipe(subject, function(msg) return msg end) end,
  req = function()
    sb.spawn(function()
      for msg in inp:messages() do
        local reply, err = subject:request(msg, 5)
        assert(out:send(reply and frames(reply) or { "error", err }))
      end
    end)
  end,
}
act[cfg.kind]()
