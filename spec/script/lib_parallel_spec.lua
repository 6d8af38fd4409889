-- luacheck: no max line length
local script = require "spec.support.script"

local QUESTION = { hook = "accept_recipient", address = "bob@example.test" }

---Run the text in a hook; what it returns, as text; and the stage.
local function value(text, setup)
  local stage = script.plugin(([[plugin:hook("accept_recipient", function()
    local out = table.pack((function() %s end)())
    for i = 1, out.n do out[i] = tostring(out[i]) end
    return mail.reject(nil, table.concat(out, " ")) end)]]):format(text), setup)
  return script.ask(stage, QUESTION).text, stage
end

---A log line when the block is left, however that comes.
local CLOSES = [[
  local function closes(name) return setmetatable({}, { __close = function() mail.log.info("closed " .. name) end }) end
]]

describe("mail.timeout", function()
  after_each(script.clean)

  it("gives the function's arguments and all its results", function()
    assert.equal("3 nil x", value [[return mail.timeout(5, function(a, b) mail.sleep(0.001) return a + b, nil, "x" end, 1, 2)]])
    assert.equal("", value [[return mail.timeout(5, function() end)]])
  end)

  it("ends what does not come in time, where it waits", function()
    local text, stage = value(CLOSES .. [[
      local a, b, c = mail.timeout(0.02, function() local x <close> = closes("inner") mail.sleep(60) end)
      mail.log.info("after")
      return a, b, c]])
    assert.equal("nil no answer after 0.02 s timeout", text)
    assert.matches("closed inner.*after", script.log())
    assert.equal(0, stage:numbers().running)
  end)

  it("raises the function's error, whatever its value", function()
    assert.matches("^false .*one%.lua:%d+: oops$", value [[return pcall(mail.timeout, 5, function() error("oops") end)]])
    assert.equal("table 7", value [[local _, e = pcall(mail.timeout, 5, function() mail.sleep(0) error({ n = 7 }) end) return type(e), e.n]])
  end)

  it("names the plugin's line when its error ends the hook", function()
    local stage = script.plugin "plugin:hook('accept_recipient', function() mail.timeout(5, function()\nlocal x = nil .. 'x' end) end)"
    assert.equal("tempfail", script.ask(stage, QUESTION).kind)
    local log = script.log()
    assert.matches("plugin failed plugin=one hook=accept_recipient function=%S+one%.lua:2 .*one%.lua:3: attempt to concatenate", log)
    local _, failures = log:gsub("plugin failed", "")
    assert.equal(1, failures)
  end)

  it("is nested, and the nearest end counts", function()
    assert.equal("inner timeout", value [[
      return mail.timeout(5, function()
        local _, _, word = mail.timeout(0.01, mail.sleep, 60)
        return "inner", word end)]])
    assert.equal("nil timeout", value [[
      local ok, _, word = mail.timeout(0.01, function() mail.timeout(5, mail.sleep, 60) return "late" end)
      return ok, word]])
  end)

  it("says what it wants", function()
    assert.matches("more than 0, up to 3600 seconds", value [[return pcall(mail.timeout, 0, print)]])
    assert.matches("function expected, got string", value [[return pcall(mail.timeout, 1, "x")]])
    assert.matches("mail%.timeout cannot wait here", value [[return pcall(table.sort, { 1, 2 }, function() mail.timeout(1, print) end)]])
  end)
end)

describe("mail.all", function()
  after_each(script.clean)

  it("runs functions side by side and keeps the order of their results", function()
    assert.equal("a b c 3 true", value [[
      local order = {}
      local function after(s, v) return function() mail.sleep(s) order[#order + 1] = v return v, "not this" end end
      local r, n = mail.all { after(0.03, "a"), after(0, "b"), after(0.015, "c") }
      return r[1], r[2], r[3], n, table.concat(order) == "bca"]])
  end)

  it("keeps the place of nil, and takes an empty list", function()
    assert.equal("nil x nil 3", value [[local r, n = mail.all { function() end, function() return "x" end, function() return nil end } return r[1], r[2], r[3], n]])
    assert.equal("0 0", value [[local r, n = mail.all {} return #r, n]])
  end)

  it("raises the first error and cancels the others", function()
    local text, stage = value(CLOSES .. [[
      local ok, err = pcall(mail.all, {
        function() local x <close> = closes("first") mail.sleep(60) mail.log.info("went on") end,
        function() mail.sleep(0.01) error("bad one", 0) end,
        function() local x <close> = closes("third") mail.sleep(60) end })
      return ok, err]])
    assert.equal("false bad one", text)
    local log = script.log()
    assert.matches("closed first", log)
    assert.matches("closed third", log)
    assert.is_nil(log:find("went on"))
    assert.is_nil(log:find("plugin failed"))
    assert.equal(0, stage:numbers().running)
  end)

  it("is cancelled with its session, all levels of it", function()
    local stage = script.plugin(CLOSES .. [[plugin:hook("accept_recipient", function()
      local x <close> = closes("parent")
      mail.all { function()
        local y <close> = closes("child")
        mail.any { function() local z <close> = closes("grandchild") mail.sleep(60) end, function() mail.sleep(60) end }
      end, function() mail.crypt.hash("x") mail.sleep(60) end } end)]])
    local asked = stage:ask(QUESTION)
    stage:spin(60)
    assert.equal(5, stage:numbers().running)
    asked:cancel()
    assert.equal(0, stage:numbers().running)
    assert.matches("closed grandchild.*closed child.*closed parent", script.log())
  end)

  it("ends with the hook's time", function()
    local stage = script.plugin([[plugin:hook("accept_recipient", function()
      mail.all { function() mail.sleep(60) end, function() mail.sleep(60) end } end)]], { extra = "lua = { wall = 0.02 }" })
    assert.equal("tempfail", script.ask(stage, QUESTION).kind)
    assert.matches("one%.lua:%d+: no answer after 20 ms %(lua%.wall%)", script.log())
    assert.equal(0, stage:numbers().running)
  end)

  it("is forgotten when the worker ends", function()
    local stage = script.plugin(CLOSES .. [[plugin:hook("accept_recipient", function()
      mail.all { function() local x <close> = closes("it") mail.sleep(60) end } end)]])
    stage:ask(QUESTION)
    stage:spin(5)
    stage:close()
    assert.matches("closed it", script.log())
  end)

  it("works inside a plugin's own coroutine", function()
    assert.equal("1 2", value [[return coroutine.wrap(function()
      local r = mail.all { function() mail.sleep(0.001) return 1 end, function() return 2 end }
      return r[1], r[2] end)()]])
  end)

  it("counts its functions against a limit, nested ones too", function()
    local setup = { extra = "lua = { parallel_calls = 3 }" }
    assert.equal("3", value("local _, n = mail.all { print, print, print } return n", setup))
    assert.matches("more than 3 functions side by side in one call %(lua%.parallel_calls%)",
      value("return pcall(mail.all, { print, print, print, print })", setup))
    assert.matches("mail%.any: more than 3 functions",
      value("return pcall(mail.all, { function() mail.any { print, print } end, function() mail.sleep(0.01) end })", setup))
  end)

  it("says what it wants", function()
    assert.matches("mail%.all: entry 2 is a string, not a function", value [[return pcall(mail.all, { print, "x" })]])
    assert.matches("table expected", value [[return pcall(mail.all)]])
  end)
end)

describe("mail.any", function()
  after_each(script.clean)

  it("gives the first value that is not nil and its place; the others are cancelled", function()
    local text, stage = value(CLOSES .. [[
      return mail.any {
        function() local x <close> = closes("slow") mail.sleep(60) return "slow" end,
        function() return nil, "nothing here" end,
        function() mail.sleep(0.01) return false end }]])
    assert.equal("false 3", text)
    assert.matches("closed slow", script.log())
    assert.equal(0, stage:numbers().running)
  end)

  it("gives what the last one said when nobody has a value", function()
    assert.equal("nil no route refused", value [[
      return mail.any { function() mail.sleep(0.01) return nil, "no route", "refused" end, function() end }]])
  end)

  it("raises an error and needs at least one function", function()
    assert.equal("false no", value [[return pcall(mail.any, { function() mail.sleep(60) end, function() error("no", 0) end })]])
    assert.matches("a list of at least one function", value [[return pcall(mail.any, {})]])
  end)
end)

describe("children of a call #slow", function()
  after_each(script.clean)

  it("compute on the parent's account: together they have the time of one call", function()
    local stage = script.plugin([[
      local function count() local t = os.clock() while os.clock() - t < 0.03 do end return 1 end
      plugin:hook("accept_recipient", function(_, r)
        local list = {}
        for i = 1, tonumber(r.localpart) do list[i] = count end
        local ok, err = pcall(mail.all, list)
        if not ok then mail.log.info("caught") while true do pcall(mail.sleep, 0) end end
        return mail.reject(nil, "done") end)]], { extra = "lua = { cpu = 0.2 }" })
    assert.equal("done", script.ask(stage, { hook = "accept_recipient", address = "2@example.test" }).text)
    assert.equal("tempfail", script.ask(stage, { hook = "accept_recipient", address = "40@example.test" }).kind)
    local log = script.log()
    assert.matches("it computed for more than 200 ms %(lua%.cpu%)", log)
    assert.equal(0, stage:numbers().running)
  end)

  it("share one slice of a turn: others are served between them", function()
    local stage = script.plugin([[
      local turns = 0
      local function count() local t = os.clock() while os.clock() - t < 0.06 do end end
      plugin:hook("accept_recipient", function()
        turns = 0
        mail.all { count, count, count, count }
        return mail.reject(nil, tostring(turns)) end)
      plugin:hook("accept_helo", function()
        while true do turns = turns + 1 mail.sleep(0) end end)]], { extra = "lua = { cpu = 10 }" })
    local other = stage:ask { hook = "accept_helo", name = "x" }
    -- 240 ms in slices of 10: at least a dozen turns, where four slices a turn would make six.
    assert.is_true(tonumber(script.ask(stage, QUESTION).text) >= 12)
    other:cancel()
  end)
end)
