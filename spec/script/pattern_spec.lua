local script = require "spec.support.script"
local ours = script.bind.patterns()

-- The true functions are the judge: the same results, the same errors.
local function outcome(fn, ...)
  local result = table.pack(pcall(fn, ...))
  if not result[1] then
    local text = tostring(result[2]):gsub("^.-:%d+: ", ""):gsub(" to '[^']+'", "")
    if text:find("too complex") or text:find("takes too long") then return "too much" end
    return text
  end
  return table.concat({ tostring(result[2]), tostring(result[3]), tostring(result[4]),
    tostring(result[5]), result.n }, "|")
end

local function all_matches(gmatch, text, pattern, ...)
  local list = {}
  for a, b in gmatch(text, pattern, ...) do list[#list + 1] = tostring(a) .. ":" .. tostring(b) end
  return table.concat(list, "|")
end

local patterns = {
  "", "a", "^a", "a$", "^$", "a*", "a+", "a-", "a?", ".-b", "(.-)b", "(a)(b)", "()", "a()b", "((a)b)",
  "[abc]+", "[^abc]+", "[a-c]", "[]a]", "[^]a]", "[a-]", "[%a_][%w_]*", "%d+", "%s*(.-)%s*$",
  "^%s*(.-)%s*$", "%b()", "%f[%w]%w+", "(%w)%1", "(a*(.)b)", "%.", "%%", "$a", "a$b", "^a*$", "a^b",
  "%a-%d", "[%]]", "x-y", "(a+)(a+)", "(.*)(.)", "%S+", "[%d%a]*", "\0", "[%z]",
}
local broken = {
  "(", ")", "(a", "a)", "[", "[a", "%", "%b", "%bx", "%f", "%fa", "%1", "(a)%2", "%0", "[%", "(()",
}
local texts = {
  "", "a", "b", "ab", "aab", "abab", "  text with  space ", "key = value", "(a(b)c)d)", "aa bb cc",
  "x1y22z333", "...%..", "a\0b", "THE (quick) fox", "abcabcabc", "]a-^", "héllo",
}

describe("the bounded patterns", function()
  it("find, match, gmatch and gsub what Lua's do", function()
    for _, pattern in ipairs(patterns) do
      for _, text in ipairs(texts) do
        local where = ("%q in %q"):format(pattern, text)
        for _, init in ipairs { 1, 2, -2, 0, 100 } do
          assert.equal(outcome(string.find, text, pattern, init), outcome(ours.find, text, pattern, init), where)
          assert.equal(outcome(string.match, text, pattern, init), outcome(ours.match, text, pattern, init), where)
          assert.equal(outcome(all_matches, string.gmatch, text, pattern, init),
            outcome(all_matches, ours.gmatch, text, pattern, init) , where)
        end
        for _, repl in ipairs { "", "<%0>", "%1", "%%", { a = "X", ab = false }, string.upper } do
          assert.equal(outcome(string.gsub, text, pattern, repl), outcome(ours.gsub, text, pattern, repl), where)
          assert.equal(outcome(string.gsub, text, pattern, repl, 1), outcome(ours.gsub, text, pattern, repl, 1))
        end
      end
    end
  end)

  it("refuse broken patterns, whatever the text", function()
    for _, pattern in ipairs(broken) do
      for _, fn in ipairs { ours.match, ours.gmatch, ours.gsub } do
        assert.has_error(function() fn("", pattern, fn == ours.gsub and "" or nil) end)
      end
    end
  end)

  it("do so for patterns made at random #slow", function()
    local pieces = { "a", "b", ".", "%a", "%d", "[ab]", "[^a]", "*", "+", "-", "?", "(", ")", "()", "$", "^",
      "%b()", "%f[b]", "%1", "%2", " " }
    local letters = { "a", "b", "(", ")", "1", " " }
    math.randomseed(42)
    local function random(from, n)
      local out = {}
      for i = 1, math.random(0, n) do out[i] = from[math.random(#from)] end
      return table.concat(out)
    end
    for _ = 1, 20000 do
      local text, pattern = random(letters, 12), random(pieces, 7)
      local where = ("%q in %q"):format(pattern, text)
      -- Lua notices a broken pattern only when it gets there; we always do.
      if pcall(ours.gmatch, text, pattern) then
        assert.equal(outcome(string.find, text, pattern), outcome(ours.find, text, pattern), where)
        assert.equal(outcome(string.gsub, text, pattern, "<%0>"), outcome(ours.gsub, text, pattern, "<%0>"), where)
      end
    end
  end)

  it("find plain text without looking at it as a pattern", function()
    assert.equal(3, ours.find("a.b%d", "b%d", 1, true))
    assert.equal(1, ours.find("abc", "", 1, true))
  end)

  it("refuse a pattern that would take minutes, soon, and say what to do #slow", function()
    local text = ("a"):rep(1600)
    local before = os.clock()
    local ok, err = pcall(ours.find, text, "^.-.-.-.-b")
    assert.is_false(ok)
    assert.matches("takes too long on a text of 1600 octets: anchor it", err)
    ok = pcall(ours.gsub, text:rep(40), "a-b", "")
    assert.is_false(ok)
    assert.is_true(os.clock() - before < 1.5)
  end)

  it("take long texts where the pattern is kind #slow", function()
    local text = ("word "):rep(200000)
    assert.equal(200000, select(2, ours.gsub(text, "%a+", "x")))
    assert.equal(1000000, select(2, ours.find(text, "^.*$")))
  end)

  it("raise Lua's error for wrong replacements", function()
    assert.has_error(function() ours.gsub("a", "a", "%x") end)
    assert.has_error(function() ours.gsub("a", "a", function() return {} end) end)
    assert.has_error(function() ours.gsub("a", "a", true) end)
  end)

  it("are what plugins get, as functions and as methods #slow", function()
    local stage = script.plugin([[plugin:hook("accept_recipient", function()
      local text = ("a"):rep(1600)
      local one, why = pcall(string.find, text, "^.-.-.-.-b")
      local two = pcall(function() return text:find("^.-.-.-.-b") end)
      return mail.reject(nil, tostring(one) .. tostring(two) .. why:match("too long")) end)]], { extra = "lua = { cpu = 5 }" })
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" })
    script.clean()
    assert.equal("falsefalsetoo long", answer.text)
  end)
end)
