-- Local domains through the command line.
local server = require "spec.support.server"
local dkjson = require "dkjson"

describe("moonpost domain", function()
  local s

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  local function domains()
    local _, output = s:command { "domain", "list", "--json" }
    local map = {}
    for _, d in ipairs(dkjson.decode(output)) do map[d.domain] = d end
    return map
  end

  it("add makes the running server take its mail, remove ends that", function()
    assert.is_falsy((s:deliver("x@y.example", "z@new.example", "Subject: x\r\n\r\nx\r\n")))
    assert.equal(0, (s:command { "domain", "add", "New.Example", "--catch-all", "bob@example.test" }))
    assert.equal("bob@example.test", domains()["new.example"].catch_all)
    assert.is_true((s:deliver("x@y.example", "z@new.example", "Subject: x\r\n\r\nx\r\n")))
    assert.equal(0, (s:command { "domain", "remove", "new.example" }))
    local ok, reply = s:deliver("x@y.example", "z@new.example", "Subject: x\r\n\r\nx\r\n")
    assert.is_falsy(ok)
    assert.is_truthy(reply:find("5.7.1", 1, true), reply)
  end)

  it("list shows where a domain comes from", function()
    assert.equal("configuration", domains()["example.test"].from)
  end)

  it("does not remove what stands in the configuration, and says where", function()
    local code, output = s:command { "domain", "remove", "example.test" }
    assert.equal(1, code)
    assert.is_truthy(output:find("take it out of `domains`", 1, true), output)
  end)

  it("refuses what is no domain", function()
    assert.equal(64, (s:command { "domain", "add", "not a domain" }))
    assert.equal(1, (s:command { "domain", "remove", "unknown.example" }))
  end)
end)
