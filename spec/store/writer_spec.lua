local mail_store = require "spec.support.store"
local socket = require "socket"

describe("group commit", function()
  it("puts what waits into one transaction, up to the cap", function()
    local server = mail_store.new { max_batch_messages = 16 }
    local client = server:client()
    for _ = 1, 400 do client:deliver("", { "a@example.test" }, "x") end
    client:drain()
    local numbers = client:wait(client:numbers()).numbers
    assert.equal(16, numbers.batch_max)
    assert.is_true(numbers.commits >= 25)
    assert.equal(400, numbers.messages)
    server:finish()
  end)

  it("skips the request that fails, not its neighbours", function()
    local server = mail_store.new()
    local client = server:client()
    client:wait(client:mailbox_quota("full@example.test", 1, 0))
    local ops = {}
    for i = 1, 100 do
      ops[i] = client:deliver("", { i % 10 == 0 and "full@example.test" or "a@example.test" }, "xx")
    end
    client:drain()
    for i = 1, 100 do assert.equal(i % 10 == 0 and "QUOTA" or "OK", ops[i].results[1]) end
    assert.equal(90, client:mailbox("a@example.test").count)
    server:finish()
  end)

  it("frees what was deleted in a row together, a quarter of a second later", function()
    local server = mail_store.new()
    local client = server:client()
    local function transactions() return client:wait(client:numbers()).numbers.transactions end
    for _ = 1, 40 do client:deliver("", { "a@example.test" }, ("x"):rep(5000)) end
    client:drain()
    local drop = assert(client:open("a@example.test"))
    local before, began = transactions(), socket.gettime()
    for i = 1, 40 do assert.equal("OK", client:wait(drop:commit { i }).status) end
    local quarters = (socket.gettime() - began) // 0.25
    local after = transactions()
    assert.is_true(after - before <= 40 + quarters, ("%d transactions"):format(after - before))
    client:run(400)
    assert.is_true(transactions() > before + 40, "nothing was freed")
    drop:close()
    server:finish()
  end)
end)

describe("a full store", function()
  local function fill(client, octets)
    local stored = 0
    for _ = 1, 20000 do
      local op = client:wait(client:deliver("", { "a@example.test" }, ("x"):rep(octets)))
      if op.status ~= "OK" then
        assert.equal("NOSPACE", op.status)
        assert.same({ "NOSPACE" }, op.results)
        return stored
      end
      stored = stored + 1
    end
  end

  -- Fill, delete half, fill again, several times: deletions must always work.
  local function live_on_the_edge(server, octets)
    local client = server:client()
    for round = 1, 4 do
      local stored = fill(client, octets)
      assert.is_true(stored > 0, "round " .. round)
      local drop = assert(client:open("a@example.test"))
      local half = {}
      for i = 1, drop:facts().count // 2 do half[i] = i end
      assert.equal("OK", client:wait(drop:commit(half)).status)
      drop:close()
      client:run(1100)              -- gc, and the second for which a client remembers "full"
      assert.equal("OK", client:room())
    end
    assert.equal("", server:problems())
  end

  it("refuses messages with NOSPACE when the map is full, and still deletes #slow", function()
    local server = mail_store.new { map_octets = 4 << 20 }
    live_on_the_edge(server, 30000)
    server:finish()
  end)

  it("does the same when the disk is full #slow", function()
    local pipe = io.popen("mktemp -d")
    local mount = pipe:read("l")
    pipe:close()
    if not os.execute(("mount -t tmpfs -o size=12m tmpfs %s 2>/dev/null"):format(mount)) then
      os.execute("rmdir " .. mount)
      pending("needs the right to mount a small file system")
      return
    end
    local server = mail_store.new({ min_free_octets = 1 << 20, ballast_octets = 2 << 20 }, mount .. "/mail")
    local done, text = pcall(function()
      local client = server:client()
      assert.equal("OK", client:room(1 << 20))
      assert.equal("NOSPACE", client:room(12 << 20))
      live_on_the_edge(server, 30000)
      -- A large one finds no room in the spool already.
      assert.has_error(function() client:deliver("", { "b@example.test" }, ("x"):rep(3 << 20)) end)
      assert.is_true(server.bind.running(server.settings))
    end)
    server:finish()
    os.execute(("umount %s && rmdir %s"):format(mount, mount))
    assert.is_true(done, text)
  end)
end)
