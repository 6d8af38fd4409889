local mail_store = require "spec.support.store"

describe("the directory of the store", function()
  local server, client

  setup(function()
    server = mail_store.new()
    client = server:client()
  end)
  teardown(function() server:finish() end)

  local function status(op) return client:wait(op).status end

  local alice = {
    name = "alice@example.test", password = "$y$j9T$salt$hash", plain = "secret",
    scram_salt = "\0salt\xff", scram_stored_key = ("s"):rep(32), scram_server_key = ("\0"):rep(32),
    scram_iterations = 4096, quota_octets = 1000, quota_messages = 7, created = 1795000000,
    disabled = 1,
  }

  it("keeps every field of a user", function()
    assert.equal("OK", status(client:user_put(alice, true)))
    assert.same(alice, client:user("alice@example.test"))
    server:restart()
    assert.same(alice, client:user("alice@example.test"))
  end)

  it("tells a user who cannot sign in from one with an empty password", function()
    assert.equal("OK", status(client:user_put({ name = "none@example.test" }, true)))
    assert.equal("OK", status(client:user_put({ name = "empty@example.test", password = "" }, true)))
    assert.is_nil(client:user("none@example.test").password)
    assert.equal("", client:user("empty@example.test").password)
  end)

  it("says EXISTS for a second creation and NOTFOUND for a change of nobody", function()
    assert.equal("EXISTS", status(client:user_put(alice, true)))
    assert.equal("NOTFOUND", status(client:user_put({ name = "nobody@example.test" }, false)))
    local user, st = client:user("nobody@example.test")
    assert.is_nil(user)
    assert.equal("NOTFOUND", st)
  end)

  it("says NOTFOUND for names no user can have", function()
    for _, name in ipairs { "", ("x"):rep(600) } do
      local user, st = client:user(name)
      assert.is_nil(user)
      assert.equal("NOTFOUND", st)
    end
  end)

  it("gives the user's quota to the mailbox of the same name, also without mail", function()
    local mailbox = client:mailbox("alice@example.test")
    assert.equal(1000, mailbox.quota_octets)
    assert.equal(7, mailbox.quota_messages)
    assert.equal("OK", status(client:user_put({ name = "alice@example.test" }, false)))
    assert.equal(0, client:mailbox("alice@example.test").quota_octets)
    assert.is_nil((client:mailbox("none@example.test")))
  end)

  it("lists users in order and forgets removed ones, not their mail", function()
    assert.same({ "alice@example.test", "empty@example.test", "none@example.test" }, client:user_names())
    client:wait(client:deliver("", { "none@example.test" }, "x"))
    assert.equal("OK", status(client:user_remove("none@example.test")))
    assert.equal("NOTFOUND", status(client:user_remove("none@example.test")))
    assert.same({ "alice@example.test", "empty@example.test" }, client:user_names())
    assert.equal(1, client:mailbox("none@example.test").count)
  end)

  it("keeps domains with and without a catch-all", function()
    assert.equal("OK", status(client:domain_put("example.test")))
    assert.equal("OK", status(client:domain_put("example.org", "all@example.test")))
    local name, catch_all = client:domain("example.org")
    assert.equal("example.org", name)
    assert.equal("all@example.test", catch_all)
    assert.same({ "example.test" }, { client:domain("example.test") })
    assert.equal("OK", status(client:domain_put("example.org")))
    assert.same({ "example.org" }, { client:domain("example.org") })
    assert.same({ "example.org", "example.test" }, client:domain_names())
    assert.equal("OK", status(client:domain_remove("example.org")))
    assert.equal("NOTFOUND", status(client:domain_remove("example.org")))
    assert.same({ "example.test" }, client:domain_names())
  end)

  it("keeps aliases with all their targets", function()
    local many = {}
    for i = 1, 500 do many[i] = ("member%d@example.test"):format(i) end
    assert.equal("OK", status(client:alias_put("list@example.test", many)))
    assert.equal("OK", status(client:alias_put("info@example.test", { "alice@example.test" })))
    assert.same(many, client:alias("list@example.test"))
    assert.same({ "info@example.test", "list@example.test" }, client:alias_names())
    assert.equal("OK", status(client:alias_remove("list@example.test")))
    local _, st = client:alias("list@example.test")
    assert.equal("NOTFOUND", st)
  end)

  it("takes thousands of users in a moment #slow", function()
    for i = 1, 3000 do client:user_put({ name = ("u%05d@example.test"):format(i), password = "x" }, true) end
    client:drain()
    assert.equal(3002, #client:user_names())
  end)
end)
