local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("durable dictionaries", function()
  local server, client

  before_each(function()
    server = mail_store.new({ durable_max_entries = 50, durable_max_plugin_octets = 4000 })
    client = server:client()
  end)
  after_each(function() server:finish() end)

  local function ask(q)
    q.durable = true
    local op = client:wait(client:dict(q))
    return op.status, op.answer
  end
  local function read(q)
    q.op = q.op or "get"
    local status, answer = client:dict_read(q)
    assert.equal("OK", status)
    if q.op == "get" then return answer.value end
    return answer
  end

  it("are there after the store process was killed", function()
    assert.equal("OK", (ask { op = "set", key = "s", value = "text" }))
    assert.equal("OK", (ask { op = "set", key = "b", value = false }))
    assert.equal(3, select(2, ask { op = "incr", key = "n", amount = 3 }).value)
    server:restart(9)
    assert.equal("text", read { key = "s" })
    assert.is_false(read { key = "b" })
    assert.equal(4, select(2, ask { op = "incr", key = "n" }).value)
    assert.equal("", server:problems())
  end)

  it("answer like those in memory: add, cas, delete", function()
    assert.is_true(select(2, ask { op = "add", key = "k", value = "1" }).done)
    assert.equal("1", select(2, ask { op = "add", key = "k", value = "2" }).value)
    assert.is_false(select(2, ask { op = "cas", key = "k", expected = "2", value = "3" }).done)
    assert.is_true(select(2, ask { op = "cas", key = "k", expected = "1", value = "3" }).done)
    assert.equal("3", read { key = "k" })
    assert.is_true(select(2, ask { op = "delete", key = "k" }).done)
    assert.is_false(select(2, ask { op = "delete", key = "k" }).done)
    assert.equal("UNSUPPORTED", (ask { op = "get", key = "k" }))
  end)

  it("count each of many at once, of several clients", function()
    local other = server:client()
    for i = 1, 200 do (i % 2 == 0 and client or other):dict { op = "incr", key = "n", durable = true } end
    client:drain()
    other:drain()
    assert.equal(200, read { key = "n" })
  end)

  it("belong to their owner", function()
    ask { op = "set", key = "k", value = 1, owner = "one" }
    ask { op = "set", key = "k", value = 2, owner = "one2" }
    assert.equal(1, read { key = "k", owner = "one" })
    assert.is_nil(read { key = "k" })
    assert.same({ "k" }, read({ op = "list", key = "", owner = "one" }).keys)
  end)

  it("list in pages", function()
    for i = 1, 9 do ask { op = "set", key = "k" .. i, value = i } end
    ask { op = "set", key = "other", value = 1 }
    local page = read { op = "list", key = "k", limit = 4 }
    assert.same({ "k1", "k2", "k3", "k4" }, page.keys)
    assert.same({ 1, 2, 3, 4 }, page.values)
    assert.is_true(page.more)
    page = read { op = "list", key = "k", limit = 9, after = "k4" }
    assert.same({ "k5", "k6", "k7", "k8", "k9" }, page.keys)
    assert.is_false(page.more)
  end)

  it("expire, are swept in the background, and leave nothing behind", function()
    for i = 1, 20 do ask { op = "set", key = "k" .. i, value = ("x"):rep(i), ttl_us = 1000 * i } end
    ask { op = "set", key = "stays", value = 1, ttl_us = 3600 * 1000000 }
    ask { op = "set", key = "k7", value = 1 }                       -- for ever now
    local numbers
    repeat
      client:run(20)
      numbers = client:wait(client:numbers()).numbers
    until numbers.durable_entries <= 2
    assert.is_nil(read { key = "k1" })
    assert.equal(1, read { key = "k7" })
    assert.equal(2, numbers.durable_entries)
    assert.equal(19, numbers.durable_expired)
    assert.equal("", server:problems())
    ask { op = "delete", key = "k7" }
    ask { op = "delete", key = "stays" }
    numbers = client:wait(client:numbers()).numbers
    assert.same({ 0, 0 }, { numbers.durable_entries, numbers.durable_octets })
  end)

  it("are absent from the moment they expire, swept or not", function()
    ask { op = "set", key = "k", value = 1, ttl_us = 1 }
    assert.is_nil(read { key = "k" })
    assert.same({}, read({ op = "list", key = "" }).keys)
    assert.is_true(select(2, ask { op = "add", key = "k", value = 2 }).done)
    assert.equal("", server:problems())
  end)

  local function fill(owner, octets)
    for i = 1, 100 do
      local status = ask { op = "set", key = "k" .. i, value = ("x"):rep(octets), owner = owner }
      if status ~= "OK" then return i - 1, status end
    end
  end

  it("refuse what is over the limits, of one owner and of all", function()
    local count, status = fill("one", 200)
    assert.equal("TOOBIG", status)
    assert.is_true(count > 10 and count < 20)
    assert.equal("OK", (ask { op = "set", key = "k1", value = "smaller", owner = "one" }))
    local rest
    rest, status = fill("other", 1)
    assert.equal("TOOBIG", status)
    assert.equal(50, count + rest)
    assert.equal("", server:problems())
  end)

  it("make room with what has expired", function()
    for i = 1, 120 do
      assert.equal("OK", (ask { op = "set", key = "k" .. i, value = ("x"):rep(200), ttl_us = 1 }))
    end
    assert.equal("", server:problems())
  end)

  it("are in a backup, and stay when the store is compacted", function()
    ask { op = "set", key = "k", value = "kept" }
    local copy = server.scratch .. "/copy"
    assert(bind.backup(server.settings, copy))
    client:close()
    server:stop()
    assert(bind.compact(server.settings))
    server:start()
    client = server:client()
    assert.equal("kept", read { key = "k" })
    local reader = server:client { path = copy }
    assert.equal("kept", select(2, reader:dict_read { op = "get", key = "k" }).value)
    assert.equal(1, select(2, bind.check { path = copy }).entries)
  end)

  for damage, text in pairs {
    ["-dict"] = 'dictionaries of "p" count 2 entries', ["-dictdue"] = "would never expire",
    ["-dictsum"] = "count 0 entries of 0 octets, there are 2",
  } do
    it("are checked: " .. text, function()
      ask { op = "set", key = "a", value = 1, ttl_us = 3600 * 1000000 }
      ask { op = "set", key = "b", value = 1 }
      client:close()
      server:stop()
      assert.is_true(bind.damage(server.settings, damage))
      assert.is_truthy(server:problems():find(text, 1, true), server:problems())
    end)
  end
end)

describe("a store of schema version 1", function()
  local server

  before_each(function()
    server = mail_store.new()
    local client = server:client()
    client:wait(client:deliver("", { "a@example.test" }, "old mail"))
    client:close()
    server:stop()
    assert.is_true(bind.damage(server.settings, "version 1"))
  end)
  after_each(function() server:finish() end)

  it("can be read, checked and copied as it is", function()
    local client = server:client()
    assert.same({ "old mail" }, mail_store.texts(client, "a@example.test"))
    assert.is_nil(select(2, client:dict_read { op = "get", key = "k" }).value)
    assert.same({}, select(2, client:dict_read { op = "list", key = "" }).keys)
    client:close()
    assert.equal("", server:problems())
    assert(bind.backup(server.settings, server.scratch .. "/copy"))
    assert.same({}, (bind.check { path = server.scratch .. "/copy" }))
  end)

  it("gets what it lacks when the store process opens it", function()
    assert.equal(1, bind.schema_version(server.settings))
    server:start()
    local client = server:client()
    local op = client:wait(client:dict { op = "set", key = "k", value = 1, durable = true })
    client:close()
    client = server:client()                    -- opened what was there before
    assert.equal("OK", op.status)
    assert.equal(2, bind.schema_version(server.settings))
    assert.equal(1, select(2, client:dict_read { op = "get", key = "k" }).value)
    assert.same({ "old mail" }, mail_store.texts(client, "a@example.test"))
    assert.equal("", server:problems())
  end)
end)
