-- Quotas through the command line.
local server = require "spec.support.server"
local dkjson = require "dkjson"

describe("moonpost quota", function()
  local s

  setup(function() s = server.start { config = { store = { default_quota_octets = 1000000 } } } end)
  teardown(function() s:stop() end)

  local function show(name)
    local code, output = s:command { "quota", "show", name, "--json" }
    assert.equal(0, code, output)
    return dkjson.decode(output)[1]
  end

  it("show tells the default, set changes it for one mailbox", function()
    assert.equal(1000000, math.tointeger(show("bob@example.test").quota))
    assert.equal(0, (s:command { "quota", "set", "bob@example.test", "64K", "--messages", "3" }))
    local bob = show("bob")
    assert.equal(65536, math.tointeger(bob.quota))
    assert.equal(3, math.tointeger(bob.messages_quota))
    assert.equal(0, (s:command { "quota", "set", "bob@example.test", "default" }))
    assert.equal(1000000, math.tointeger(show("bob@example.test").quota))
  end)

  it("is obeyed by the running server", function()
    assert.equal(0, (s:command { "quota", "set", "alice@example.test", "1M", "--messages", "2" }))
    local text = "Subject: x\r\n\r\nx\r\n"
    assert.is_true((s:deliver("x@y.example", "alice@example.test", text)))
    assert.is_true((s:deliver("x@y.example", "alice@example.test", text)))
    local ok, reply = s:deliver("x@y.example", "alice@example.test", text)
    assert.is_falsy(ok)
    assert.is_truthy(reply:find("%f[%d][45]%.2%.2 "), reply)
    assert.equal(2, math.tointeger(show("alice@example.test").messages))
  end)

  it("refuses sizes that are none, and mailboxes that are none", function()
    for _, size in ipairs { "much", "-5", "5X", "" } do
      assert.equal(64, (s:command { "quota", "set", "bob@example.test", size, config_at = 3 }), size)
    end
    assert.equal(1, (s:command { "quota", "show", "nobody@example.test" }))
  end)
end)
