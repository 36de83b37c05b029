-- Answers every request with itself.
local sb = require "signalbox"
local cfg = ...

local rep = sb.rep { name = "rep", bind = "tcp://127.0.0.1:" .. cfg.from }

rep:on_message(function(msg) return msg[1] end)
