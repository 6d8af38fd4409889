-- luacheck: no max line length
local script = require "spec.support.script"

---How often a line was logged since the last look.
local function count(word)
  return select(2, script.log():gsub(word, ""))
end

---Spin until the log has shown the word so often.
local function wait_for(stage, word, times)
  local seen = 0
  for _ = 1, 500 do
    seen = seen + count(word)
    if seen >= times then return seen end
    stage:spin(10)
  end
  error(("%q was logged %d times, not %d"):format(word, seen, times))
end

describe("plugin:every", function()
  after_each(script.clean)

  it("calls the function again and again once the worker serves", function()
    local stage = script.plugin [[plugin:every(0.01, function() mail.sleep(0.001) mail.log.info("tick") end, { on = "all workers" })]]
    stage:spin(50)
    assert.equal(0, count("tick"))
    stage:start()
    wait_for(stage, "tick", 3)
    stage:stop()
    stage:spin(30)                       -- a run under way finishes
    script.log()
    stage:spin(60)
    assert.equal(0, count("tick"))
  end)

  it("begins after one interval, or at once with now", function()
    local stage = script.plugin [[
      plugin:every(60, function() mail.log.info("later") end, { on = "all workers" })
      plugin:every(60, function() mail.log.info("soon") end, { on = "all workers", now = true })]]
    stage:start()
    wait_for(stage, "soon", 1)
    assert.equal(0, count("later"))
  end)

  it("is for one worker unless told otherwise: the one that leads", function()
    local stage = script.plugin [[plugin:every(0.01, function() mail.log.info("tick") end, { now = true })]]
    stage:start()
    stage:spin(50)
    assert.equal(0, count("tick"))
    stage:lead(true)
    wait_for(stage, "tick", 2)
    stage:lead(false)
    script.log()
    stage:spin(50)
    assert.equal(0, count("tick"))
  end)

  it("never runs twice at once: what comes due meanwhile is left out", function()
    local stage = script.plugin [[
      local inside, most = 0, 0
      plugin:every(0.01, function()
        inside = inside + 1 most = math.max(most, inside)
        mail.sleep(0.05)
        inside = inside - 1
        mail.log.info("run", { most = most }) end, { on = "all workers" })]]
    stage:start()
    stage:spin(150)
    local log = script.log()
    assert.matches("run plugin=one most=1", log)
    assert.is_nil(log:find("most=2"))
    assert.is_true(select(2, log:gsub("run plugin", "")) <= 4)
  end)

  it("goes on after an error, which is logged with the function's place", function()
    local stage = script.plugin 'plugin:every(0.01, function()\nerror("oops") end, { on = "all workers" })'
    stage:start()
    wait_for(stage, "plugin failed plugin=one hook=every function=%S+one%.lua:2 error=%S+one%.lua:3: oops", 2)
  end)

  it("can be cancelled, also by its own run, and by a module through mail.every", function()
    local stage = script.plugin [[
      local n, timer = 0, nil
      timer = mail.every(0.01, function() n = n + 1 if n == 2 then timer:cancel() timer:cancel() end mail.log.info("tick", { running = timer.running }) end, { on = "all workers" })
      plugin:hook("accept_recipient", function() return mail.reject(nil, select(2, pcall(function() return timer.x end))) end)]]
    stage:start()
    wait_for(stage, "tick plugin=one running=true", 2)
    stage:spin(50)
    assert.equal(0, count("tick"))
    assert.matches('a timer has no "x"; there are cancel and running', script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)

  it("may begin in a hook, and is counted against a limit", function()
    local stage = script.plugin([[plugin:hook("accept_recipient", function()
      local a = plugin:every(0.01, function() mail.log.info("tick") end, { on = "all workers" })
      local b = plugin:every(60, print)
      local ok, err = pcall(plugin.every, plugin, 60, print)
      b:cancel()
      return mail.reject(nil, tostring(ok) .. err .. tostring(pcall(plugin.every, plugin, 60, print))) end)]], { extra = "lua = { timers = 2 }" })
    stage:start()
    local text = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text
    assert.matches("^false.*the plugin has 2 timers already %(lua%.timers%).*true$", text)
    wait_for(stage, "tick", 1)
  end)

  it("has the limits of background work, and ends with the worker", function()
    local stage = script.plugin([[plugin:every(0.01, function()
      local x <close> = setmetatable({}, { __close = function() mail.log.info("released") end })
      mail.sleep(60) end, { on = "all workers" })]], { extra = "lua = { background_wall = 0.03 }" })
    stage:start()
    wait_for(stage, "no answer after 30 ms %(lua%.background_wall%)", 2)
    while stage:numbers().running == 0 do stage:spin(1) end
    script.log()
    stage:close()
    assert.equal(1, count("released"))
  end)

  it("runs later by its jitter", function()
    local stage = script.plugin [[plugin:every(0.01, function() mail.log.info("tick") end, { on = "all workers", jitter = 3600 })]]
    stage:start()
    stage:spin(60)
    assert.equal(0, count("tick"))
  end)

  it("says what it wants", function()
    for text, why in pairs {
      ["plugin:every(0, print)"] = "0%.01 seconds to 31 days",
      ["plugin:every(1)"] = "function expected",
      ["plugin:every(1, print, { on = 'two' })"] = 'on is "one worker" or "all workers"',
      ["plugin:every(1, print, { jitter = 'x' })"] = "jitter is a number of seconds",
      ["plugin:every(1, print, { now = 1 })"] = "now is true or false, not a number",
      ["plugin:every(1, print, { of = 1 })"] = "unknown option of; there are on, jitter and now",
      ["plugin.every(1, print)"] = "write plugin:every%(%.%.%.%), with a colon",
    } do
      local stage, err = script.try { plugins = { one = 'local plugin = ...\n' .. text } }
      assert.is_nil(stage)
      assert.matches(why, err)
    end
  end)
end)
