local hook = require("spec.support.bind")("hook")

local CONNECT, COMMAND, REPLY, DATA = 0, 1, 2, 3

describe("a machine", function()
  it("shows every event to its observer", function()
    local m = hook.asker(0, true)
    assert.same({ 1, CONNECT }, { m:observe(CONNECT) })
    assert.same({ 2, COMMAND }, { m:observe(COMMAND) })
    assert.same({ 3, REPLY }, { m:observe(REPLY) })
    assert.same({ 4, DATA }, { m:observe(DATA) })
  end)

  it("spares an observer the lines it does not want", function()
    local m = hook.asker(0, false)
    assert.same({ 0, 0 }, { m:observe(COMMAND) })
    assert.same({ 0, 0 }, { m:observe(REPLY) })
    assert.same({ 1, DATA }, { m:observe(DATA) })
  end)
end)
