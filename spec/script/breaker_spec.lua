-- luacheck: no max line length
local script = require "spec.support.script"

local function ask(stage, user)
  return script.ask(stage, { hook = "accept_recipient", address = user .. "@example.test" })
end

local PLUGIN = [[
  plugin:hook("accept_recipient", function(_, r)
    mail.log.info("called")
    if r.localpart == "bad" then error("oops") end
    if r.localpart == "slow" then mail.sleep(60) end
    if r.localpart == "good" then return mail.reject(nil, "good") end end)]]

---The plugin was called so often since the last look.
local function calls()
  return select(2, script.log():gsub("called plugin=one", ""))
end

describe("a plugin that fails too often", function()
  after_each(script.clean)

  local LIMITS = "lua = { breaker_failures = 3, breaker_window = 60, breaker_pause = 0.2 }"

  it("is left alone: its hooks fail at once, without Lua", function()
    local stage = script.plugin(PLUGIN, { extra = LIMITS })
    for _ = 1, 3 do ask(stage, "bad") end
    assert.matches("plugin fails too often and is left alone for a while %(lua%.breaker_failures%) plugin=one failures=3 pause_ms=200 meanwhile=tempfail", script.log())
    local answer = ask(stage, "good")
    assert.same({ "tempfail", "4.3.0", "one" }, { answer.kind, answer.status, answer.by })
    assert.equal(0, calls())
    local n = stage:hooks()["one accept_recipient"]
    assert.same({ 3, 3, 1, 1 }, { n.calls, n.errors, n.skipped, n.paused })
  end)

  it("is tried once after the pause, and again after another one", function()
    local stage = script.plugin(PLUGIN, { extra = LIMITS })
    for _ = 1, 3 do ask(stage, "bad") end
    script.log()
    stage:spin(250)
    ask(stage, "bad")
    ask(stage, "good")
    assert.equal(1, calls())
    stage:spin(250)
    assert.equal("good", ask(stage, "good").text)
    assert.matches("plugin works again", script.log())
    assert.equal("good", ask(stage, "good").text)
    assert.equal(0, stage:hooks()["one accept_recipient"].paused)
  end)

  it("is not waited for when its trial hangs: others fail at once", function()
    local stage = script.plugin(PLUGIN, { extra = LIMITS })
    for _ = 1, 3 do ask(stage, "bad") end
    stage:spin(250)
    local trial = stage:ask { hook = "accept_recipient", address = "slow@example.test" }
    local other = stage:ask { hook = "accept_recipient", address = "good@example.test" }
    assert.equal("tempfail", other:answer().kind)     -- at once
    trial:cancel()
    stage:spin(250)
    assert.equal("good", ask(stage, "good").text)
  end)

  it("may be skipped instead, but not where that would lose mail", function()
    local stage = script.plugin(PLUGIN .. [[
      plugin:hook("on_delete", function() mail.log.info("asked") end)
      plugin:hook("mailbox", { open = function() mail.log.info("opened") end })]],
      { extra = LIMITS, list = '{ "one", on_failure = "skip" }' })
    for _ = 1, 3 do ask(stage, "bad") end
    assert.matches("meanwhile=skip", script.log())
    assert.equal("accept", ask(stage, "alice").kind)
    assert.equal("tempfail", script.ask(stage, { hook = "on_delete" }).kind)
    local _, status = script.open(stage, stage:session(), "alice@example.test")
    assert.equal("TEMPFAIL", status)
    local log = script.log()
    assert.is_nil(log:find("called", 1, true) or log:find("asked", 1, true) or log:find("opened", 1, true))
  end)

  it("counts time-outs, and a mailbox backend's failures", function()
    local stage = script.plugin([[plugin:hook("mailbox", {
      open = function() mail.sleep(60) end, append = function() error("full") end })]],
      { extra = "lua = { wall = 0.01, breaker_failures = 3, breaker_pause = 60 }" })
    script.open(stage, stage:session(), "a@example.test")
    script.open(stage, stage:session(), "a@example.test")
    script.deliver(stage, stage:session(), { "a@example.test" }, "Subject: x\r\n\r\n")
    script.log()
    script.deliver(stage, stage:session(), { "a@example.test" }, "Subject: x\r\n\r\n")
    script.open(stage, stage:session(), "a@example.test")
    assert.is_nil(script.log():find("plugin failed"))
    assert.equal(2, stage:hooks()["one mailbox"].skipped)
  end)

  it("is not left alone for a few bad calls among good ones", function()
    local stage = script.plugin(PLUGIN, { extra = LIMITS })
    ask(stage, "bad")
    for _ = 1, 5 do ask(stage, "good") end
    for _ = 1, 3 do ask(stage, "bad") end
    assert.equal("good", ask(stage, "good").text)
    for _ = 1, 2 do ask(stage, "bad") end
    assert.equal("tempfail", ask(stage, "good").kind)
  end)

  it("is not left alone when failures are far apart, or the limit is 0", function()
    local stage = script.plugin(PLUGIN, { extra = "lua = { breaker_failures = 3, breaker_window = 0.05, breaker_pause = 60 }" })
    for _ = 1, 2 do ask(stage, "bad") end
    stage:spin(100)
    for _ = 1, 2 do ask(stage, "bad") end
    assert.equal("good", ask(stage, "good").text)
    stage = script.plugin(PLUGIN, { extra = "lua = { breaker_failures = 0 }" })
    for _ = 1, 50 do ask(stage, "bad") end
    assert.equal("good", ask(stage, "good").text)
  end)
end)
