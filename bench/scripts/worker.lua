-- A REP worker that answers every request with the same octets.
local sb = require "signalbox"
local cfg = ...

local rep = sb.rep { name = "rep", connect = "tcp://127.0.0.1:" .. cfg.from }
local body = ("x"):rep(tonumber(cfg.size))

rep:on_message(function() return body end)
