-- Maintenance of the store through the command line.
local server = require "spec.support.server"
local dkjson = require "dkjson"

describe("moonpost store", function()
  local s

  setup(function()
    s = server.start()
    for _ = 1, 5 do
      assert.is_true((s:deliver("x@y.example", "bob@example.test", "Subject: x\r\n\r\n" .. ("x\r\n"):rep(5000))))
    end
  end)
  teardown(function() s:stop() end)

  it("check verifies while the server runs", function()
    local code, output = s:command { "store", "check", "--json" }
    assert.equal(0, code, output)
    local report = dkjson.decode(output)
    assert.is_true(report.ok)
    assert.equal(5, math.tointeger(report.messages))
    assert.same({}, report.problems)
  end)

  it("backup makes a store that another server can use", function()
    local code, output = s:command { "store", "backup", s.dir .. "/copy" }
    assert.equal(0, code, output)
    local other = server.start { start = false, users = {} }
    other:configure { store = { path = s.dir .. "/copy" } }
    other:launch()
    local m = assert(other:maildrop("bob@example.test", "bob-secret"))
    assert.is_truthy(m:ask("STAT"):find("^%+OK 5 "))
    m:close()
    other:stop()
    assert.is_true(s:command { "store", "backup", s.dir .. "/copy" } ~= 0, "not into a directory in use")
  end)

  it("compact wants the server stopped, then works", function()
    local code, output = s:command { "store", "compact" }
    assert.equal(75, code)
    assert.is_truthy(output:find("moonpost stop", 1, true), output)
    s:finish()
    code, output = s:command { "store", "compact", "--json" }
    assert.equal(0, code, output)
    local sizes = dkjson.decode(output)
    assert.is_true(sizes.after <= sizes.before)
    assert.equal(0, (s:command { "store", "check" }))
    s:launch()
    assert.is_truthy(s:maildrop("bob@example.test"):ask("STAT"):find("^%+OK 5 "))
  end)
end)
