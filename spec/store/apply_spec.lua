local mail_store = require "spec.support.store"

describe("a delivery", function()
  local server, client

  setup(function()
    server = mail_store.new { default_quota_octets = 5000, default_quota_messages = 3 }
    client = server:client()
  end)
  teardown(function() server:finish() end)

  local function results(to, text, discard)
    return client:wait(client:deliver("", to, text, discard)).results
  end

  it("says which uid each mailbox gave the message", function()
    local op = client:wait(client:deliver("", { "u1@example.test", "u2@example.test" }, "x", {}))
    assert.same({ 1, 1 }, op.uids)
    op = client:wait(client:deliver("", { "u2@example.test", "u3@example.test", "u2@example.test" }, "y", {}))
    assert.same({ 2, 1, 2 }, op.uids)
    assert.same({ 0, 2 }, client:wait(client:deliver("", { "u1@example.test", "u3@example.test" }, "z", { true })).uids)
  end)

  it("says QUOTA when the octets would be too many, not one earlier", function()
    assert.same({ "OK" }, results({ "a@example.test" }, ("x"):rep(3000)))
    assert.same({ "QUOTA" }, results({ "a@example.test" }, ("x"):rep(2001)))
    assert.same({ "OK" }, results({ "a@example.test" }, ("x"):rep(2000)))
    assert.same({ "QUOTA" }, results({ "a@example.test" }, "x"))
    assert.same({ "QUOTA" }, results({ "never@example.test" }, ("x"):rep(5001)))
    assert.is_nil((client:mailbox("never@example.test")))
  end)

  it("says QUOTA when the messages would be too many", function()
    for _ = 1, 3 do assert.same({ "OK" }, results({ "b@example.test" }, "")) end
    assert.same({ "QUOTA" }, results({ "b@example.test" }, ""))
  end)

  it("goes by the mailbox's own quota when it has one", function()
    client:wait(client:mailbox_quota("b@example.test", 100000, 5))
    assert.same({ "OK" }, results({ "b@example.test" }, ("x"):rep(6000)))
    assert.same({ "OK" }, results({ "b@example.test" }, ""))
    assert.same({ "QUOTA" }, results({ "b@example.test" }, ""))
  end)

  it("has room again after a deletion", function()
    local drop = client:open("a@example.test")
    client:wait(drop:commit { 1 })
    drop:close()
    assert.same({ "OK" }, results({ "a@example.test" }, ("x"):rep(3000)))
  end)

  it("reaches all recipients or none: the full one says QUOTA, the others CANCELED", function()
    client:wait(client:mailbox_quota("c@example.test", 1 << 20, 9))
    client:wait(client:mailbox_quota("d@example.test", 1 << 20, 9))
    for _, text in ipairs { ("x"):rep(100), ("x"):rep(70000) } do
      assert.same({ "CANCELED", "QUOTA", "CANCELED" },
        results({ "c@example.test", "b@example.test", "d@example.test" }, text))
    end
    assert.equal(0, client:mailbox("c@example.test").count)
    for _ = 1, 40 do
      local pipe = io.popen("find " .. server.settings.path .. "/blobs -type f | wc -l")
      local files = pipe:read("n")
      pipe:close()
      if files == 0 then break end
      client:run(50)
    end
    local pipe = io.popen("find " .. server.settings.path .. "/blobs -type f | wc -l")
    assert.equal(0, pipe:read("n"))
    pipe:close()
  end)

  it("puts one copy where several recipients lead to one mailbox", function()
    assert.same({ "OK", "OK", "OK" },
      results({ "e@example.test", "f@example.test", "e@example.test" }, "hello"))
    assert.equal(1, client:mailbox("e@example.test").count)
  end)

  it("leaves out recipients whose copy is thrown away", function()
    assert.same({ "OK", "OK" },
      results({ "g@example.test", "h@example.test" }, "x", { true, false }))
    assert.is_nil((client:mailbox("g@example.test")))
    assert.equal(1, client:mailbox("h@example.test").count)
    assert.same({ "OK" }, results({ "g@example.test" }, "x", { true }))
    assert.is_nil((client:mailbox("g@example.test")))
  end)

  it("refuses names that cannot be keys", function()
    assert.same({ "CANCELED", "TOOBIG" }, results({ "i@example.test", ("n"):rep(401) }, "x"))
    assert.is_nil((client:mailbox("i@example.test")))
  end)

  it("takes a thousand recipients", function()
    local to, all = {}, {}
    for i = 1, 1000 do to[i], all[i] = ("r%d@example.test"):format(i), "OK" end
    assert.same(all, results(to, ("body "):rep(900)))
    assert.equal(("body "):rep(900), mail_store.texts(client, "r777@example.test")[1])
    assert.equal("", server:problems())
  end)

  it("keeps a reverse-path of any length", function()
    assert.equal("OK", client:wait(client:deliver(("s"):rep(3000), { "j@example.test" }, "x")).status)
    client:wait(client:deliver(("s"):rep(1000), { "j@example.test", "k@example.test" }, "x"))
    local drop = client:open("k@example.test")
    assert.equal("OK", client:wait(drop:commit { 1 }).status)
    drop:close()
    assert.equal("", server:problems())
  end)
end)
