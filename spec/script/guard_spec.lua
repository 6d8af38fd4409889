-- luacheck: no max line length
local script = require "spec.support.script"

describe("the guard #slow", function()
  after_each(script.clean)

  local runaways = {
    ["a plain loop"] = "while true do end",
    ["pcall around a loop, for ever"] = "while true do pcall(function() while true do end end) end",
    ["xpcall with a handler that loops"] = "while true do xpcall(function() while true do end end, function() while true do end end) end",
    ["a loop in coroutine.wrap"] = "coroutine.wrap(function() while true do end end)()",
    ["a loop in coroutine.resume, again and again"] = "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    ["table.sort with a comparator that loops"] = "table.sort({ 1, 2, 3 }, function() while true do end end)",
    ["string.gsub with a callback that loops"] = "string.gsub('aaa', 'a', function() while true do end end)",
    ["a metamethod that loops"] = "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    ["a to-be-closed variable that loops"] = "local x <close> = setmetatable({}, { __close = function() while true do end end }) error('x')",
    ["recursion through pcall"] = "local function f() pcall(f) return f() end f()",
    ["recursion through xpcall"] = "local function f() xpcall(f, f) return f() end f()",
    ["recursion without end"] = "local function f() return 1 + f() end f()",
  }
  for name, text in pairs(runaways) do
    it("stops " .. name .. ", again and again, and the worker goes on", function()
      local stage = script.plugin(([[plugin:hook("accept_recipient", function(_, r)
        if r.localpart == "fine" then return mail.reject(nil, "fine") end
        %s end)]]):format(text))
      for _ = 1, 2 do
        local answer = script.ask(stage, { hook = "accept_recipient", address = "run@example.test" })
        assert.equal("tempfail", answer.kind)
      end
      local answer = script.ask(stage, { hook = "accept_recipient", address = "fine@example.test" })
      assert.equal("fine", answer.text)
      assert.equal(0, stage:numbers().running)
    end)
  end

  it("does not take a pause of the machine for computing, but counts ticks that come one by one", function()
    local stage = script.new { list = '{ "one", trusted = true }', plugins = { one = [[
      local plugin = ...
      local mail = require "moonpost"
      local script = require("spec.support.bind")("script")
      plugin:hook("accept_recipient", function(_, r)
        for _ = 1, tonumber(r.localpart) do script.stand_still(1000) end
        return mail.reject(nil, "done")
      end)]] }, extra = "lua = { cpu = 0.5 }" }
    local answer = script.ask(stage, { hook = "accept_recipient", address = "1@example.test" })
    assert.equal("done", answer.text)
    answer = script.ask(stage, { hook = "accept_recipient", address = "40@example.test" })
    assert.equal("tempfail", answer.kind)
    assert.matches("it computed for more than 500 ms", script.log())
  end)

  it("has the whole error after a call that was stopped while it waited", function()
    local stage = script.plugin([[plugin:hook("accept_recipient", function(_, r)
      if r.localpart == "slow" then mail.sleep(5) end
      return true end)]], { extra = "lua = { wall = 0.02 }" })
    local asked = stage:ask { hook = "accept_recipient", address = "slow@example.test" }
    asked:cancel()
    script.ask(stage, { hook = "accept_recipient", address = "slow@example.test" })
    assert.matches("no answer after 20 ms", script.log())
    script.ask(stage, { hook = "accept_recipient", address = "fine@example.test" })
    assert.matches("must return mail.accept.*not a boolean", script.log())
  end)

  it("logs the function's file and line when a mailbox backend answers something odd or nothing", function()
    local stage = script.plugin([[plugin:hook("mailbox", {
      open = function(_, name) if name:match("^slow") then mail.sleep(5) end return {} end,
      list = function() return { { uid = 1, size = "x" } } end })]], { extra = "lua = { wall = 0.02 }" })
    local _, status = script.open(stage, stage:session(), "odd@example.test")
    assert.equal("TEMPFAIL", status)
    assert.matches("function=%S+one%.lua:%d+.*entry 1 has no size", script.log())
    _, status = script.open(stage, stage:session(), "slow@example.test")
    assert.equal("TEMPFAIL", status)
    assert.matches("one%.lua:%d+: no answer after 20 ms", script.log())
  end)

  it("stops a plugin that loops while it is cleaned up after a cancel", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function(_, r)
      local x <close> = setmetatable({}, { __close = function() while true do end end })
      mail.sleep(5) end)]]
    local asked = stage:ask { hook = "accept_recipient", address = "bob@example.test" }
    asked:cancel()
    assert.equal(0, stage:numbers().running)
    assert.matches("while a stopped call was cleaned up", script.log())
  end)

  it("stops a plugin that loops while it is loaded", function()
    local before = os.clock()
    local stage, err = script.try { plugins = { one = "local t = 0\nwhile true do t = t + 1 end" } }
    assert.is_nil(stage)
    assert.matches("one%.lua:2: it computed for more than 5000 ms", err)
    assert.is_true(os.clock() - before < 8)
  end)
end)

describe("the coroutines of a plugin", function()
  after_each(script.clean)

  local function run(text)
    local stage = script.plugin(('plugin:hook("accept_recipient", function() %s end)'):format(text))
    return script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }), stage
  end

  it("work as in Lua", function()
    local answer = run [[
      local co = coroutine.create(function(a, b)
        local c = coroutine.yield(a + b)
        local d, e = coroutine.yield(c * 2)
        return d + e end)
      local log = {}
      local function note(...) for _, v in ipairs { ... } do log[#log + 1] = tostring(v) end end
      note(coroutine.resume(co, 1, 2)) note(coroutine.status(co))
      note(coroutine.resume(co, 10)) note(coroutine.resume(co, 3, 4)) note(coroutine.status(co))
      note(coroutine.resume(co))
      local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
      note(gen(), gen(), gen())
      note(select("#", gen())) note(pcall(gen))
      note(coroutine.resume(coroutine.create(function() error({}) end)) and "?" or "failed")
      return mail.reject(nil, table.concat(log, " "))]]
    assert.equal("true 3 suspended true 20 true 7 dead false cannot resume dead coroutine 1 2 3 0 " ..
      "false cannot resume dead coroutine failed", answer.text)
  end)

  it("let the whole call wait when a library function waits inside them", function()
    local answer = run [[
      local co = coroutine.wrap(function()
        mail.sleep(0.01)
        coroutine.yield("a")
        mail.sleep(0.01)
        return "b" end)
      return mail.reject(nil, co() .. co())]]
    assert.equal("ab", answer.text)
  end)

  it("cannot be used to leave the hook", function()
    local answer = run "coroutine.yield(mail.accept())"
    assert.equal("tempfail", answer.kind)
    assert.matches("coroutine.yield outside of a coroutine", script.log())
  end)

  it("say where waiting is not possible", function()
    for text, what in pairs {
      ["table.sort({ 1, 2 }, function() mail.sleep(0.01) end)"] = "mail%.sleep cannot wait here",
      ["string.gsub('a', 'a', function() mail.sleep(0.01) end)"] = "mail%.sleep cannot wait here",
    } do
      assert.equal("tempfail", run(text).kind)
      assert.matches(what, script.log())
    end
  end)
end)
