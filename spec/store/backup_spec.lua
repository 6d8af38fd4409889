local mail_store = require "spec.support.store"
local bind = mail_store.bind

local function scratch()
  local pipe = io.popen("mktemp -d")
  local path = pipe:read("l")
  pipe:close()
  return path
end

describe("store backup", function()
  local server, client, to

  before_each(function()
    server = mail_store.new()
    client = server:client()
    to = scratch()
    for i = 1, 20 do
      client:deliver("", { "a@example.test" }, ("%d "):format(i):rep(i % 5 == 0 and 40000 or 100))
    end
    client:drain()
  end)
  after_each(function()
    server:finish()
    os.execute("rm -rf " .. to)
  end)

  it("is a data directory of its own with the same mail and UIDLs", function()
    assert.is_true(bind.backup(server.settings, to .. "/copy") > 0)
    local copy = mail_store.new(nil, to .. "/copy")
    local reader = copy:client()
    assert.same(mail_store.texts(client, "a@example.test"), mail_store.texts(reader, "a@example.test"))
    local one, other = client:open("a@example.test"), reader:open("a@example.test")
    assert.same(one:entries(), other:entries())
    one:close()
    other:close()
    assert.equal("", copy:problems())
    assert.equal("OK", reader:wait(reader:deliver("", { "a@example.test" }, "new")).status)
    copy:finish()
  end)

  it("needs a new or empty directory", function()
    assert.is_truthy(bind.backup(server.settings, to))
    local good, text = bind.backup(server.settings, to)
    assert.is_nil(good)
    assert.is_truthy(text:find("is not empty", 1, true))
    good, text = bind.backup(server.settings, to .. "/no/such")
    assert.is_nil(good)
    assert.is_truthy(text:find("No such file", 1, true))
  end)

  it("is whole although mail comes and goes meanwhile #slow", function()
    for round = 1, 4 do
      for i = 1, 60 do client:deliver("", { "a@example.test" }, ("z"):rep(i % 10 == 0 and 90000 or 2000)) end
      local drop = client:open("a@example.test")
      local half = {}
      for i = 1, drop:facts().count // 2 do half[i] = i end
      local op = drop:commit(half)
      client:run(3)
      local copy = to .. "/" .. round
      assert.is_truthy(bind.backup(server.settings, copy))
      client:wait(op)
      drop:close()
      local list = bind.check { path = copy }
      assert.equal("", table.concat(list, "\n"))
    end
    client:drain()
  end)

  it("works when the store process is stopped", function()
    server:stop()
    assert.is_truthy(bind.backup(server.settings, to))
    assert.same({}, (bind.check { path = to }))
    server:start()
  end)
end)

describe("store compact", function()
  local server, client

  before_each(function()
    server = mail_store.new()
    client = server:client()
    for _ = 1, 200 do client:deliver("", { "a@example.test" }, ("x"):rep(20000)) end
    client:drain()
  end)
  after_each(function() server:finish() end)

  it("says BUSY while anybody has the store open", function()
    local before, text, status = bind.compact(server.settings)
    assert.is_nil(before)
    assert.equal("BUSY", status)
    assert.is_truthy(text:find("stop the server", 1, true))
  end)

  it("gives the space of deleted messages back to the disk and changes nothing else", function()
    local drop = client:open("a@example.test")
    local most = {}
    for i = 1, 190 do most[i] = i end
    assert.equal("OK", client:wait(drop:commit(most)).status)
    drop:close()
    client:run(300)
    local uidls = client:open("a@example.test")
    local entries = uidls:entries()
    uidls:close()
    client:close()
    server:stop()
    local before, after = bind.compact(server.settings)
    assert.is_true(before > 4000000)
    assert.is_true(after < 600000)
    server:start()
    client = server:client()
    drop = assert(client:open("a@example.test"))
    assert.same(entries, drop:entries())
    assert.equal(("x"):rep(20000), drop:read(10))
    drop:close()
    assert.equal("OK", client:wait(client:deliver("", { "a@example.test" }, "y")).status)
    assert.equal("", server:problems())
  end)
end)
