local mail_store = require "spec.support.store"

describe("mailboxes for the command line", function()
  local server, client

  setup(function()
    server = mail_store.new()
    client = server:client()
  end)
  teardown(function() server:finish() end)

  local function status(op) return client:wait(op).status end

  it("are listed in order with what they count", function()
    for _, name in ipairs { "b@example.test", "a@example.test", "b@example.test" } do
      assert.equal("OK", status(client:deliver("", { name }, "12345")))
    end
    assert.same({ "a@example.test", "b@example.test" }, client:mailbox_names())
    local b = client:mailbox("b@example.test")
    assert.equal(2, b.count)
    assert.equal(10, b.octets)
    assert.equal(3, b.uidnext)
    assert.are_not_equal(0, b.uidvalidity)
    assert.are_not_equal(b.uidvalidity, client:mailbox("a@example.test").uidvalidity)
  end)

  it("have a quota that can be set before mail comes", function()
    assert.equal("OK", status(client:mailbox_quota("q@example.test", 100, 2)))
    assert.equal("OK", client:mailbox_room("q@example.test", 100))
    assert.equal("QUOTA", client:mailbox_room("q@example.test", 101))
    assert.equal("OK", client:mailbox_room("unknown@example.test", 1 << 40))
  end)

  it("go with all their messages; their uidvalidity never comes back", function()
    local name = "gone@example.test"
    for i = 1, 300 do client:deliver("", { name }, ("x"):rep(i * 20)) end
    client:deliver("", { name, "keeps@example.test" }, ("shared"):rep(20000))
    client:drain()
    local old = client:mailbox(name)
    local first = client:open(name)
    local uidl = first:entries()[1].uidl
    first:close()
    assert.equal("OK", status(client:mailbox_remove(name)))
    assert.is_nil((client:mailbox(name)))
    assert.equal("NOTFOUND", status(client:mailbox_remove(name)))
    assert.equal("OK", status(client:deliver("", { name }, "anew")))
    local new = client:mailbox(name)
    assert.equal(1, new.count)
    assert.are_not_equal(old.uidvalidity, new.uidvalidity)
    assert.are_not_equal(old.id, new.id)
    local again = client:open(name)
    assert.are_not_equal(uidl, again:entries()[1].uidl)
    again:close()
    -- Rows and bodies go in slices behind; nothing is wrong at any time.
    assert.equal("", server:problems())
    for _ = 1, 40 do
      client:run(50)
      local _, report = mail_store.bind.check(server.settings)
      if report.rows == 5 then break end
    end
    local _, report = mail_store.bind.check(server.settings)
    assert.equal(5, report.rows)
    assert.equal(("shared"):rep(20000), mail_store.texts(client, "keeps@example.test")[1])
  end)

  it("import messages with the UIDLs of another system, once each", function()
    local name = "import@example.test"
    assert.equal("OK", status(client:import(name, "one", "abc.1", 1000)))
    assert.equal("OK", status(client:import(name, ("two"):rep(50000), "abc.2", 2000)))
    assert.equal("EXISTS", status(client:import(name, "other", "abc.1", 3000)))
    assert.equal("OK", status(client:import(name, "other", nil, 3000)))
    assert.equal("OK", status(client:deliver("", { name }, "new mail")))
    assert.equal("TOOBIG", status(client:import(name, "x", ("u"):rep(71), 3000)))
    assert.equal("OK", status(client:import("else@example.test", "one", "abc.1", 1000)))
    server:restart()
    local drop = assert(client:open(name))
    local entries = drop:entries()
    assert.equal(4, #entries)
    assert.equal("abc.1", entries[1].uidl)
    assert.equal("abc.2", entries[2].uidl)
    assert.is_truthy(entries[3].uidl:match("^%x+%.3$"))
    assert.equal(("two"):rep(50000), drop:read(2))
    assert.equal("OK", client:wait(drop:commit { 1 }).status)
    drop:close()
    drop = assert(client:open(name))
    assert.equal("abc.2", drop:entries()[1].uidl)
    drop:close()
    assert.equal("OK", status(client:import(name, "one", "abc.1", 1000)))
    assert.equal("", server:problems())
  end)

  it("import over a quota: somebody moves house", function()
    assert.equal("OK", status(client:mailbox_quota("full@example.test", 1, 1)))
    assert.equal("OK", status(client:import("full@example.test", "long text", nil, 1)))
    assert.equal("OK", status(client:import("full@example.test", "long text", nil, 1)))
  end)

  it("are counted by the store process", function()
    local op = client:wait(client:numbers())
    assert.equal("OK", op.status)
    assert.is_true(op.numbers.commits > 0)
    assert.is_true(op.numbers.messages > 0)
    assert.is_true(op.numbers.commit_us_p99 >= op.numbers.commit_us_p50)
    assert.is_true(op.numbers.map_octets > 0)
    assert.is_true(op.numbers.disk_free_octets > 0)
  end)
end)
