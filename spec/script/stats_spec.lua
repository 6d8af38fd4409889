-- luacheck: no max line length
local script = require "spec.support.script"

local function ask(stage, user)
  return script.ask(stage, { hook = "accept_recipient", address = user .. "@example.test" })
end

describe("the numbers of hooks", function()
  after_each(script.clean)

  it("count calls and how they ended, per plugin and hook", function()
    local stage = script.new { extra = "lua = { wall = 0.05 }", plugins = {
      one = [[local plugin = ... local mail = require "moonpost"
        plugin:hook("accept_recipient", function(_, r)
          if r.localpart == "wrong" then error("wrong") end
          if r.localpart == "slow" then mail.sleep(60) end end)
        plugin:hook("accept_helo", print)]],
      two = [[local plugin = ... plugin:hook("accept_recipient", function() end)]] } }
    for _, user in ipairs { "alice", "bob", "wrong", "wrong", "slow" } do ask(stage, user) end
    local hooks = stage:hooks()
    local one, two = hooks["one accept_recipient"], hooks["two accept_recipient"]
    assert.same({ 5, 2, 1, 0, 0, 0 }, { one.calls, one.errors, one.timeouts, one.live, one.dropped, one.skipped })
    assert.same({ 2, 0, 0 }, { two.calls, two.errors, two.timeouts })
    assert.equal(0, hooks["one accept_helo"].calls)
  end)

  it("tell what computes from what waits, and how long calls take", function()
    local stage = script.plugin([[
      plugin:hook("accept_recipient", function(_, r)
        if r.localpart == "waits" then mail.sleep(0.03) return end
        local t = os.clock() while os.clock() - t < 0.03 do end end)]], { extra = "lua = { cpu = 1 }" })
    for _ = 1, 3 do ask(stage, "waits") end
    local n = stage:hooks()["one accept_recipient"]
    assert.is_true(n.wait_ns >= 90e6)
    assert.is_true(n.cpu_ns < n.wait_ns / 3)
    assert.is_true(n.p50_ns >= 30e6)
    local waited = n.wait_ns
    for _ = 1, 3 do ask(stage, "computes") end
    n = stage:hooks()["one accept_recipient"]
    assert.is_true(n.cpu_ns >= 85e6)
    assert.is_true(n.wait_ns - waited < n.cpu_ns)
  end)

  it("give the work of children to the hook that began them", function()
    local stage = script.plugin([[
      plugin:hook("accept_recipient", function()
        local function work() local t = os.clock() while os.clock() - t < 0.02 do end end
        mail.all { work, work } end)]], { extra = "lua = { cpu = 1 }" })
    ask(stage, "alice")
    local n = stage:hooks()["one accept_recipient"]
    assert.equal(1, n.calls)
    assert.is_true(n.cpu_ns >= 38e6)
  end)

  it("know live calls, timers, background work, and forget cancelled ones", function()
    local stage = script.plugin [[
      plugin:every(60, function() mail.sleep(60) end, { on = "all workers", now = true })
      plugin:hook("accept_recipient", function() mail.spawn(mail.sleep, 60) mail.all { function() mail.sleep(60) end } end)]]
    stage:start()
    local asked = stage:ask { hook = "accept_recipient", address = "bob@example.test" }
    stage:spin(20)
    local hooks = stage:hooks()
    assert.equal(1, hooks["one accept_recipient"].live)
    assert.equal(1, hooks["one spawn"].live)
    assert.equal(1, hooks["one every"].live)
    asked:cancel()
    assert.equal(0, stage:hooks()["one accept_recipient"].live)
  end)

  it("count events that an observer was too slow for", function()
    local stage = script.plugin [[plugin:hook("on_connect", function() mail.sleep(60) end)]]
    local session = stage:session()
    for _ = 1, 1003 do stage:event(session, 0) end
    local n = stage:hooks()["one on_connect"]
    assert.same({ 1000, 3 }, { n.live, n.dropped })
    session:close()
  end)
end)
