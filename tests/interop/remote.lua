-- A socket's side played by remote control: runs the Lua text it is asked to run and answers with what that returns, as JSON.
-- Names without `local` stay from one text to the next.
local sb = require "signalbox"
local json = require "cjson.safe"
local cfg = ...
local env = setmetatable({ sb = sb, json = json }, { __index = _G })

local control = sb.rep { name = "control", bind = cfg.control }
control:on_message(function(msg)
  local fn, err = load(msg[1], "=text", "t", env)
  if not fn then return json.encode { false, err } end
  return json.encode { pcall(fn) }
end)
