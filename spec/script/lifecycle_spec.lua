-- luacheck: no max line length
local script = require "spec.support.script"

describe("on_start and on_stop", function()
  after_each(script.clean)

  it("are called when the worker begins and ends, and waited for", function()
    local stage = script.plugin [[
      plugin:hook("on_start", function() mail.sleep(0.02) mail.log.info("started") end)
      plugin:hook("on_stop", function() mail.sleep(0.02) mail.log.info("stopped") end)]]
    stage:start()
    assert.equal(0, stage:run(5000))
    assert.matches("started", script.log())
    stage:stop()
    assert.equal(0, stage:run(5000))
    assert.matches("stopped", script.log())
  end)

  it("run side by side, those of higher priority first", function()
    local stage = script.plugin [[
      plugin:hook("on_start", function() mail.log.info("low") mail.sleep(0.01) mail.log.info("low over") end)
      plugin:hook("on_start", function() mail.log.info("high") mail.sleep(0.02) mail.log.info("high over") end, { priority = 1 })]]
    stage:start()
    stage:run(5000)
    assert.matches("high .*low .*low over.*high over", script.log())
  end)

  it("do not keep the worker when they fail or take too long", function()
    local stage = script.plugin([[
      plugin:hook("on_start", function() error("oops") end)
      plugin:hook("on_start", function() mail.sleep(60) end)
      plugin:hook("on_stop", function() mail.sleep(60) end)]], { extra = "lua = { start_wall = 0.02, stop_wall = 0.03 }" })
    stage:start()
    assert.equal(0, stage:run(5000))
    local log = script.log()
    assert.matches("plugin failed plugin=one hook=on_start .*oops", log)
    assert.matches("no answer after 20 ms %(lua%.start_wall%)", log)
    stage:stop()
    assert.equal(0, stage:run(5000))
    assert.matches("no answer after 30 ms %(lua%.stop_wall%)", script.log())
    assert.equal(0, stage:numbers().running)
  end)

  it("answer at once where no plugin listens", function()
    local stage = script.plugin ""
    stage:start()
    assert.is_nil(stage:run(10))         -- nothing was pending
  end)

  it("are forgotten when the worker ends amid them", function()
    local stage = script.plugin [[plugin:hook("on_start", function() mail.sleep(60) end)]]
    stage:start()
    stage:spin(5)
    stage:stop()
    stage:close()
  end)
end)
