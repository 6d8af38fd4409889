-- Aliases through the command line.
local server = require "spec.support.server"
local dkjson = require "dkjson"

describe("moonpost alias", function()
  local s

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  it("add sends mail to several, list shows it, remove ends it", function()
    assert.equal(0, (s:command { "alias", "add", "Info@example.test", "alice@example.test", "bob" }))
    local _, output = s:command { "alias", "list", "--json" }
    assert.same({ alias = "info@example.test", from = "store", targets = { "alice@example.test", "bob@example.test" } },
      dkjson.decode(output)[1])
    assert.is_true((s:deliver("x@y.example", "info@example.test", "Subject: x\r\n\r\nx\r\n")))
    for _, user in ipairs { "alice@example.test", "bob@example.test" } do
      assert.is_truthy(s:maildrop(user):ask("STAT"):find("^%+OK 1 "))
    end
    assert.equal(0, (s:command { "alias", "remove", "info@example.test" }))
    assert.is_falsy((s:deliver("x@y.example", "info@example.test", "Subject: x\r\n\r\nx\r\n")))
  end)

  it("refuses targets that mail cannot reach, and nonsense", function()
    local code, output = s:command { "alias", "add", "out@example.test", "x@elsewhere.example" }
    assert.equal(1, code)
    assert.is_truthy(output:find("relaying", 1, true), output)
    assert.equal(64, (s:command { "alias", "add", "only@example.test" }))
    assert.equal(64, (s:command { "alias", "add", "@not a domain", "bob@example.test" }))
    assert.equal(1, (s:command { "alias", "remove", "unknown@example.test" }))
  end)
end)
