local mail_store = require "spec.support.store"

describe("a maildrop of the store", function()
  local server, client

  setup(function()
    server = mail_store.new()
    client = server:client()
  end)
  teardown(function() server:finish() end)

  local function deliver(to, text)
    assert.equal("OK", client:wait(client:deliver("", { to }, text)).status)
  end

  local function uidls(name)
    local drop = assert(client:open(name))
    local list = {}
    for i, e in ipairs(drop:entries()) do list[i] = e.uidl end
    drop:close()
    return list
  end

  it("is empty for a mailbox that nothing came for, and still locked", function()
    local drop = assert(client:open("new@example.test"))
    assert.same({}, drop:entries())
    assert.equal(0, drop:facts().octets)
    local again, status = client:open("new@example.test")
    assert.is_nil(again)
    assert.equal("BUSY", status)
    drop:close()
  end)

  it("lists messages in the order of arrival with the octets they have", function()
    for n = 1, 5 do deliver("list@example.test", ("x"):rep(n * 10)) end
    local drop = assert(client:open("list@example.test"))
    local octets = {}
    for i, e in ipairs(drop:entries()) do octets[i] = e.octets end
    assert.same({ 10, 20, 30, 40, 50 }, octets)
    assert.equal(150, drop:facts().octets)
    drop:close()
  end)

  it("is fixed when it is opened: later mail shows in the next session", function()
    deliver("fixed@example.test", "one")
    local drop = assert(client:open("fixed@example.test"))
    deliver("fixed@example.test", "two")
    assert.equal(1, drop:facts().count)
    drop:close()
    assert.same({ "one", "two" }, mail_store.texts(client, "fixed@example.test"))
  end)

  it("deletes what is committed, all at once, and nothing when it is closed", function()
    for n = 1, 4 do deliver("del@example.test", "message " .. n) end
    local drop = assert(client:open("del@example.test"))
    drop:close()
    drop = assert(client:open("del@example.test"))
    assert.equal("OK", client:wait(drop:commit { 1, 3 }).status)
    drop:close()
    assert.same({ "message 2", "message 4" }, mail_store.texts(client, "del@example.test"))
  end)

  it("commits nothing at once when nothing is deleted", function()
    local drop = assert(client:open("list@example.test"))
    local op = drop:commit {}
    assert.equal("OK", op.status)
    drop:close()
  end)

  it("takes a second commit of the same messages as done", function()
    deliver("twice@example.test", "x")
    local drop = assert(client:open("twice@example.test"))
    assert.equal("OK", client:wait(drop:commit { 1 }).status)
    assert.equal("OK", client:wait(drop:commit { 1 }).status)
    drop:close()
    assert.equal(0, client:mailbox("twice@example.test").count)
  end)

  it("keeps its UIDLs over restarts and never gives one twice", function()
    local name = "uidl@example.test"
    for _ = 1, 3 do deliver(name, "x") end
    local first = uidls(name)
    assert.equal(3, #first)
    server:restart()
    assert.same(first, uidls(name))
    local drop = assert(client:open(name))
    assert.equal("OK", client:wait(drop:commit { 1, 2, 3 }).status)
    drop:close()
    server:restart(9)
    while client:wait(client:deliver("", { name }, "y")).status ~= "OK" do client:run(20) end
    local later = uidls(name)
    assert.equal(1, #later)
    for _, uidl in ipairs(first) do assert.are_not_equal(uidl, later[1]) end
    for _, uidl in ipairs(later) do assert.is_truthy(uidl:match("^[\x21-\x7e]+$")) end
  end)

  it("may be closed while a file is read and while a commit is under way", function()
    local name = "closing@example.test"
    deliver(name, ("z"):rep(300000))
    for _ = 1, 5 do
      local drop = assert(client:open(name))
      drop:read_and_close(1, 100000)
    end
    local drop = assert(client:open(name))
    local op = drop:commit { 1 }
    drop:close()
    assert.equal("CANCELED", op.status)
    client:run(50)
    assert.equal(1, client:mailbox(name).count)
    drop = assert(client:open(name))
    drop:commit { 1 }
    client:run(0)
    drop:close()
  end)

  describe("with a message in a file", function()
    local name, text = "file@example.test", ("0123456789abcde\n"):rep(40000)
    local path, drop

    local function sh(command) assert(os.execute(command)) end
    local function forget() sh("sync " .. path .. " && dd of=" .. path .. " oflag=nocache conv=notrunc,fdatasync count=0 status=none") end

    before_each(function()
      deliver(name, text)
      local pipe = io.popen("find " .. server.settings.path .. "/blobs -type f -size +500k -newer " ..
        server.settings.path .. "/. -o -type f -size +500k | xargs ls -t | head -1")
      path = pipe:read("l")
      pipe:close()
      drop = assert(client:open(name))
    end)
    after_each(function()
      client:wait(drop:commit { 1 })
      drop:close()
    end)

    it("tells where its octets lie, once it was opened", function()
      assert.is_nil(drop:range(1, 0, 1000))
      assert.equal(65536, drop:touch(1, 0))
      for _, at in ipairs { 0, 1, 4095, 4096, 70001, 639990 } do
        for _, max in ipairs { 1, 5000, 262144 } do
          assert.is_true(drop:range(1, at, max) == text:sub(at + 1, at + math.min(max, #text - at)), at .. " " .. max)
        end
      end
      assert.is_nil(drop:range(1, #text, 1))
    end)

    it("gives out no page that is not in memory", function()
      drop:touch(1, 0)
      forget()
      assert.is_nil(drop:range(1, 65536, 262144))
      drop:touch(1, 65536)
      local got = assert(drop:range(1, 65536 + 100, 10000), "what a thread has read is in memory")
      assert.equal(text:sub(65536 + 101, 65536 + 10100), got)
    end)

    it("gives out nothing behind the end of a file that was cut off", function()
      drop:touch(1, 0)
      sh("truncate -s 100000 " .. path)
      local _, octets = drop:range(1, 65536 + 10, 262144)
      assert.equal(102400 - 65536 - 10, octets, "up to the end of the last page")
      assert.is_nil(drop:range(1, 102400, 262144))
    end)
  end)

  it("has no file of a small message", function()
    deliver("small@example.test", "small")
    local drop = assert(client:open("small@example.test"))
    assert.equal(5, drop:touch(1, 0))
    assert.is_nil(drop:range(1, 0, 5))
    drop:close()
  end)

  it("says NOTFOUND when an administrator removed the message meanwhile", function()
    local name = "purged@example.test"
    deliver(name, "small")
    deliver(name, ("large"):rep(20000))
    local drop = assert(client:open(name))
    -- The lock keeps other sessions out; another process with a key of its own could still purge.
    assert.equal("OK", client:wait(drop:commit { 1, 2 }).status)
    for _ = 1, 40 do
      client:run(50)
      local pipe = io.popen("find " .. server.settings.path .. "/blobs -type f -size -200k | wc -l")
      local files = pipe:read("n")
      pipe:close()
      if files == 0 and not drop:read(1) then break end
    end
    local _, small = drop:read(1)
    local _, large = drop:read(2)
    assert.equal("NOTFOUND", small)
    assert.equal("NOTFOUND", large)
    assert.equal("OK", client:wait(drop:commit { 1, 2 }).status)
    drop:close()
  end)

  it("tells when the session before was", function()
    local name = "login@example.test"
    deliver(name, "x")
    local drop = assert(client:open(name))
    assert.equal(0, drop:facts().last_login)
    drop:close()
    server:restart()
    drop = assert(client:open(name))
    assert.is_true(math.abs(drop:facts().last_login - os.time()) <= 2)
    drop:login_time(1000000)
    drop:close()
    for _ = 1, 2 do                   -- a session that says nothing changes nothing
      drop = assert(client:open(name))
      assert.equal(1000000, drop:facts().last_login)
      drop:close()
    end
  end)

  it("opens ten thousand messages in a few milliseconds and deletes them in one commit #slow", function()
    local name = "many@example.test"
    for _ = 1, 10000 do
      client:deliver("", { name }, "From: a\r\n\r\nx\r\n")
      client:drain(500)
    end
    client:drain()
    local started = os.clock()
    for _ = 1, 10 do assert(client:open(name)):close() end
    assert.is_true((os.clock() - started) / 10 < 0.05)
    local drop = assert(client:open(name))
    assert.equal(10000, drop:facts().count)
    local all = {}
    for i = 1, 10000 do all[i] = i end
    assert.equal("OK", client:wait(drop:commit(all)).status)
    drop:close()
    local mailbox = client:mailbox(name)
    assert.equal(0, mailbox.count)
    assert.equal(0, mailbox.octets)
    assert.equal(10001, mailbox.uidnext)
    assert.equal("", server:problems())
  end)
end)
