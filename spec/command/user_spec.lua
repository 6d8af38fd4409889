-- Accounts through the command line, with and without a running server.
local server = require "spec.support.server"
local dkjson = require "dkjson"

for _, running in ipairs { false, true } do
  describe("moonpost user, " .. (running and "server runs" or "no server runs"), function()
    local s

    setup(function() s = server.start { start = running } end)
    teardown(function() s:stop() end)

    local function users()
      local code, output = s:command { "user", "list", "--json" }
      assert.equal(0, code, output)
      local map = {}
      for _, user in ipairs(dkjson.decode(output)) do map[user.user] = user end
      return map
    end

    it("add makes an account with a quota", function()
      local code, output = s:command({ "user", "add", "Carol@Example.Test", "--quota", "2M", "--messages", "7" },
        "carol-secret\n")
      assert.equal(0, code, output)
      local carol = users()["carol@example.test"]
      assert.equal(2 * 1024 * 1024, math.tointeger(carol.quota))
      assert.equal(7, math.tointeger(carol.messages))
      assert.is_false(carol.disabled)
    end)

    it("add puts a name without a domain into the default one", function()
      assert.equal(0, (s:command({ "user", "add", "dave" }, "x-secret\n")))
      assert.is_table(users()["dave@example.test"])
    end)

    it("add refuses who is there already", function()
      local code, output = s:command({ "user", "add", "alice@example.test" }, "x-secret\n")
      assert.equal(1, code)
      assert.is_truthy(output:find("^moonpost user add: user alice@example.test is there already"), output)
    end)

    it("add refuses an empty password and a name that is no address", function()
      assert.equal(64, (s:command({ "user", "add", "eve@example.test" }, "\n")))
      assert.equal(64, (s:command({ "user", "add", "eve@example.test" }, "")))
      assert.equal(64, (s:command({ "user", "add", "not an address@" }, "x\n")))
      assert.is_nil(users()["eve@example.test"])
    end)

    it("add says when the domain is not a local one", function()
      local code, output = s:command({ "user", "add", "x@foreign.example" }, "x-secret\n")
      assert.equal(0, code)
      assert.is_truthy(output:find("foreign.example is no local domain yet", 1, true), output)
    end)

    it("disable and enable, remove", function()
      assert.equal(0, (s:command { "user", "disable", "bob@example.test" }))
      assert.is_true(users()["bob@example.test"].disabled)
      assert.equal(0, (s:command { "user", "enable", "bob@example.test" }))
      assert.is_false(users()["bob@example.test"].disabled)
      assert.equal(0, (s:command({ "user", "add", "short@example.test" }, "x-secret\n")))
      assert.equal(0, (s:command { "user", "remove", "short@example.test" }))
      assert.is_nil(users()["short@example.test"])
      local code, output = s:command { "user", "remove", "short@example.test" }
      assert.equal(1, code)
      assert.is_truthy(output:find("there is no user short@example.test", 1, true), output)
    end)

    it("list filters by domain and prints columns for people", function()
      local code, output = s:command { "user", "list", "--domain", "foreign.example", "-q" }
      assert.equal(0, code)
      assert.is_truthy(output:find("^x@foreign.example "), output)
      assert.equal(1, select(2, output:gsub("\n", "\n")))
    end)
  end)
end

describe("moonpost user password", function()
  it("changes what the running server accepts, SCRAM keys too", function()
    local s = server.start()
    local m = assert(s:maildrop("alice@example.test", "alice-secret"))
    m:ask("QUIT")
    m:close()
    local code, output = s:command({ "user", "password", "alice@example.test" }, "new-secret\n")
    assert.equal(0, code, output)
    assert.is_nil((s:maildrop("alice@example.test", "alice-secret")))
    assert.is_truthy(s:maildrop("alice@example.test", "new-secret"))
    assert.equal(1, (s:command({ "user", "password", "nobody@example.test" }, "x-secret\n")))
    s:stop()
  end)
end)

describe("moonpost user disable", function()
  it("refuses login and mail at once", function()
    local s = server.start()
    assert.equal(0, (s:command { "user", "disable", "alice@example.test" }))
    assert.is_nil((s:maildrop("alice@example.test", "alice-secret")))
    local ok, reply = s:deliver("x@y.example", "alice@example.test", "Subject: x\r\n\r\nx\r\n")
    assert.is_falsy(ok)
    assert.is_truthy(reply:find("5.2.1", 1, true), reply)
    s:stop()
  end)
end)
