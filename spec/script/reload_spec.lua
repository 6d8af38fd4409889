-- luacheck: no max line length
local script = require "spec.support.script"

local HEAD = 'local plugin = ... local mail = require "moonpost"\n'

local function write(name, text)
  script.write(("%s/plugins/%s.lua"):format(script.last_folder, name), HEAD .. text)
end

---Plugins name -> text, with the usual head; in the order of their names.
local function new(plugins, extra)
  local sources = {}
  for name, text in pairs(plugins) do sources[name] = HEAD .. text end
  return script.new { plugins = sources, extra = extra }
end

local function ask(stage, user)
  return script.ask(stage, { hook = "accept_recipient", address = (user or "x") .. "@example.test" })
end

---A hook that answers with a text.
local function says(text)
  return ('plugin:hook("accept_recipient", function() return mail.reject(nil, %q) end)'):format(text)
end

local function wait_log(stage, pattern)
  local log = ""
  for _ = 1, 500 do
    log = log .. script.log()
    if log:find(pattern) then return log end
    stage:spin(10)
  end
  error(pattern .. " was not logged:\n" .. log)
end

describe("new code of a plugin", function()
  after_each(script.clean)

  it("takes the place of the old between two events", function()
    local stage = new { one = says "old" }
    assert.equal("old", ask(stage).text)
    write("one", says "new")
    assert.equal("old", ask(stage).text)
    assert.is_true(stage:reload("one"))
    assert.equal("new", ask(stage).text)
    assert.matches("plugin reloaded plugin=one", script.log())
    wait_log(stage, "old code of a plugin is gone plugin=one")
  end)

  it("changes nothing when it is broken, and says what is wrong", function()
    local stage = new { one = says "old", two = "" }
    for text, why in pairs {
      ["x x"] = "^plugin one %(%S+moonpost%.lua:6%): %S+one%.lua:2: syntax error near 'x'",
      [says("new") .. " error('no')"] = "one%.lua:2: no",
      ["mail.spawn(function() mail.log.info('went on') end) plugin:every(0.01, function() mail.log.info('went on') end, { on = 'all workers', now = true }) error('late')"] = "one%.lua:2: late",
    } do
      write("one", text)
      local ok, err = stage:reload("one")
      assert.is_nil(ok)
      assert.matches(why, err)
      assert.equal("old", ask(stage).text)
    end
    stage:start()
    stage:spin(30)
    assert.is_nil(script.log():find("went on"))
  end)

  it("is refused by name when there is no such plugin", function()
    local stage = new { one = "", two = "" }
    local _, err = stage:reload("three")
    assert.equal('no plugin "three" is loaded; there are one, two', err)
  end)

  it("keeps its place among the plugins, and its priorities", function()
    local function passes(name, rest) return ('plugin:hook("accept_recipient", function() mail.log.info("asked %s") %s end)'):format(name, rest or "") end
    local stage = new { a = passes "a", b = passes "b", c = passes "c" }
    for _ = 1, 2 do
      ask(stage)
      assert.matches("asked a .*asked b .*asked c ", script.log())
      assert.is_true(stage:reload("b"))
    end
    write("c", 'plugin:hook("accept_recipient", function() mail.log.info("asked c") end, { priority = 1 })')
    stage:reload("c")
    script.log()
    ask(stage)
    assert.matches("asked c .*asked a .*asked b ", script.log())
  end)

  it("may be of all plugins at once: one that is broken keeps all of them", function()
    local stage = new { a = says "old a", b = "" }
    write("a", says "new a")
    write("b", "x x")
    assert.is_nil((stage:reload()))
    assert.equal("old a", ask(stage).text)
    write("b", "")
    assert.is_true(stage:reload())
    assert.equal("new a", ask(stage).text)
  end)

  it("keeps the tables of plugin:state", function()
    local text = [[local state = plugin:state("counts", { n = 0 })
      plugin:hook("accept_recipient", function() state.n = state.n + 1 return mail.reject(nil, "%s" .. state.n) end)]]
    local stage = new { one = text:format("old ") }
    assert.equal("old 1", ask(stage).text)
    for i = 2, 4 do
      write("one", text:format("new "))
      stage:reload("one")
      assert.equal("new " .. i, ask(stage).text)
    end
  end)

  it("brings and takes hooks, observers, timers and on_start", function()
    local stage = new { one = [[plugin:hook("on_command", function() mail.log.info("old saw") end)
      plugin:every(0.01, function() mail.log.info("old tick") end, { on = "all workers" })]] }
    stage:start()
    assert.is_true(stage:numbers().wants_lines)
    local before = stage:numbers().hooks
    write("one", [[plugin:hook("accept_helo", print)
      plugin:every(0.01, function() mail.log.info("new tick") end, { on = "all workers" })
      plugin:hook("on_start", function() mail.log.info("new began") end)]])
    assert.is_true(stage:reload("one"))
    assert.is_false(stage:numbers().wants_lines)
    assert.not_equal(before, stage:numbers().hooks)
    stage:spin(20)
    local log = wait_log(stage, "new tick")
    assert.matches("new began", log)
    script.log()
    local session = stage:session()
    stage:event(session, 1, "NOOP")
    stage:spin(50)
    assert.is_nil(script.log():find("old "))
    session:close()
  end)

  it("counts on where the old code stopped", function()
    local stage = new { one = says "old" }
    ask(stage)
    write("one", says "new")
    stage:reload("one")
    ask(stage)
    assert.equal(2, stage:hooks()["one accept_recipient"].calls)
  end)

  it("is given a new chance when the old code was left alone", function()
    local stage = new({ one = 'plugin:hook("accept_recipient", function() error("x") end)' }, "lua = { breaker_failures = 1 }")
    ask(stage)
    assert.equal(1, stage:hooks()["one accept_recipient"].paused)
    write("one", says "new")
    stage:reload("one")
    assert.equal("new", ask(stage).text)
    assert.equal(0, stage:hooks()["one accept_recipient"].paused)
  end)

  it("may not be the server's first mailbox backend", function()
    local stage = new { one = says "old" }
    write("one", 'plugin:hook("mailbox", { open = function() end })')
    local _, err = stage:reload("one")
    assert.matches("needs a reload of everything: moonpost reload", err)
    assert.equal("old", ask(stage).text)
  end)
end)

describe("old code of a plugin", function()
  after_each(script.clean)

  local WAITS = [[plugin:hook("accept_recipient", function(_, r)
    if r.localpart == "slow" then mail.sleep(0.2) return mail.reject(nil, "old") end
    if r.localpart == "pass" then mail.sleep(0.1) return end end)
    plugin:hook("on_stop", function() mail.log.info("old stops") end)]]

  it("serves what waits in it, then stops and goes", function()
    local stage = new { one = WAITS }
    stage:start()
    local asked = stage:ask { hook = "accept_recipient", address = "slow@example.test" }
    write("one", says "new")
    stage:reload("one")
    local other = stage:ask { hook = "accept_recipient", address = "x@example.test" }
    assert.equal("new", other:answer().text)
    stage:spin(150)
    assert.is_nil(script.log():find("old stops"))
    stage:run()
    assert.equal("old", asked:answer().text)
    wait_log(stage, "old stops.*old code of a plugin is gone")
  end)

  it("hands on to the plugins behind it, not to its own new code", function()
    local stage = new { one = WAITS, two = says "two" }
    local asked = stage:ask { hook = "accept_recipient", address = "pass@example.test" }
    write("one", says "new")
    stage:reload("one")
    stage:run()
    assert.equal("two", asked:answer().text)
  end)

  it("is ended when it does not end", function()
    local stage = new({ one = WAITS .. "mail.spawn(function() while true do mail.sleep(0.01) end end)" }, "lua = { reload_wall = 0.1 }")
    stage:start()
    stage:spin(5)
    write("one", says "new")
    stage:reload("one")
    local log = wait_log(stage, "old code of a plugin is gone")
    assert.matches("plugin failed plugin=one hook=spawn.*the plugin was reloaded and this call of its old code did not end %(lua%.reload_wall%)", log)
    assert.equal(0, stage:numbers().running)
  end)

  it("keeps the mailboxes that are open with it", function()
    local backend = [[plugin:hook("mailbox", {
      open = function(_, name) if name:match("^a@") then return {} end end,
      list = function() return { { uid = 1, size = 3 } } end,
      read = function(_, _, offset) return ("%s"):sub(offset + 1) end })]]
    local stage = new({ one = backend:format("old"), two = backend:gsub("%^a@", "^b@"):format("two") }, "lua = { reload_wall = 0 }")
    local drop, status = script.open(stage, stage:session(), "a@example.test")
    assert.equal("OK", status)
    write("one", backend:format("new"))
    stage:reload("one")
    stage:spin(250)
    assert.equal("old", script.fetch(stage, drop, 1))
    drop:close()
    wait_log(stage, "old code of a plugin is gone")
    drop = script.open(stage, stage:session(), "a@example.test")
    assert.equal("new", script.fetch(stage, drop, 1))
    drop:close()
  end)

  it("hands a mailbox on that is not its own, though it was replaced meanwhile", function()
    local stage = new { one = 'plugin:hook("mailbox", { open = function() mail.sleep(0.05) end, append = function() mail.sleep(0.05) end })',
      two = 'plugin:hook("mailbox", { open = function() return {} end, list = function() return {} end, append = function() return true end })' }
    local drop = stage:open(stage:session(), "a@example.test")
    local delivery = stage:deliver(stage:session(), { "a@example.test" }, "Subject: x\r\n\r\n")
    stage:reload("one")
    stage:run()
    assert.equal("OK", drop:status())
    assert.equal("OK", delivery:results()[1])
    drop:close()
  end)

  it("cannot do harm through a closure that somebody kept", function()
    local stage = new { one = [[
      local keep = plugin:state("keep")
      keep.f = keep.f or function()
        local results = {}
        for _, f in ipairs { function() plugin:hook("auth", print) end, function() plugin:every(1, print) end,
            function() require "other" end, function() return plugin:state("x") end, print } do
          results[#results + 1] = tostring(pcall(f)) end
        return table.concat(results, " ") end
      plugin:hook("accept_recipient", function() return mail.reject(nil, keep.f()) end)]] }
    stage:reload("one")
    wait_log(stage, "old code of a plugin is gone")
    assert.equal("false false false true true", ask(stage).text)
  end)

  it("ends with the worker: its on_stop has its turn", function()
    local stage = new { one = WAITS }
    stage:start()
    local asked = stage:ask { hook = "accept_recipient", address = "slow@example.test" }
    write("one", says "new")
    stage:reload("one")
    asked:cancel()
    script.log()
    stage:stop()
    stage:run()
    assert.matches("old stops", script.log())
  end)

  it("may be reloaded again and again without growing", function()
    local stage = new { one = [[KEEP = ("x"):rep(100000)
      plugin:hook("accept_recipient", function() local waste = ("y"):rep(100000) return mail.reject(nil, #waste .. "") end)]] }
    for _ = 1, 20 do stage:reload("one") end
    stage:spin(150)
    local function settle()
      for _ = 1, 200 do ask(stage) end
      return stage:numbers().memory
    end
    local before = settle()
    for _ = 1, 100 do stage:reload("one") end
    stage:spin(150)
    local now = settle()
    assert.is_true(now < before + 2e6)
  end)
end)
