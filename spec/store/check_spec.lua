local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("store check", function()
  local server

  before_each(function()
    server = mail_store.new()
    local client = server:client()
    client:wait(client:deliver("s@example.test", { "a@example.test", "b@example.test" }, ("x"):rep(5000)))
    client:wait(client:deliver("", { "a@example.test" }, ("large"):rep(20000)))
    client:wait(client:import("c@example.test", "imported", "uidl-of-old", 1))
    client:close()
    server:stop()
  end)
  after_each(function() server:finish() end)

  local function problems()
    local list, report = bind.check(server.settings)
    assert.equal(#list, report.problems)
    return list
  end

  it("counts what is there and finds nothing wrong in a good store", function()
    local list, report = bind.check(server.settings)
    assert.same({}, list)
    assert.same({ mailboxes = 3, rows = 4, messages = 3, octets = 5000 + 100000 + 8, files = 1, entries = 0,
      problems = 0 },
      report)
  end)

  local damages = {
    { "count", "mailbox 1 counts 3 messages" },
    { "uidnext", "mailbox 1 would give uid 1 next" },
    { "refs", "counts 3 references, 2 rows name it" },
    { "body", "are not those that were stored" },
    { "-body", "lacks part 0 of 2" },
    { "-row", "mailbox 1 counts 2 messages" },
    { "-msg", "which is not there" },
    { "-mbox", "has no counters" },
    { "-uidltext", "cannot be found by its text" },
  }

  for _, damage in ipairs(damages) do
    it("sees damage: " .. damage[2], function()
      assert.is_true(bind.damage(server.settings, damage[1]))
      local text = table.concat(problems(), "\n")
      assert.is_truthy(text:find(damage[2], 1, true), text)
    end)
  end

  local function file()
    local pipe = io.popen("find " .. server.settings.path .. "/blobs -type f")
    local path = pipe:read("l")
    pipe:close()
    return path
  end

  it("sees that the file of a message is missing, short or changed", function()
    local path = file()
    local handle = io.open(path, "r+b")
    handle:seek("set", 500)
    handle:write("L")
    handle:close()
    assert.is_truthy(problems()[1]:find("are not those that were stored", 1, true))
    os.execute("truncate -s 99999 " .. path)
    assert.is_truthy(problems()[1]:find("has 99999 octets instead of 100000", 1, true))
    os.remove(path)
    assert.is_truthy(problems()[1]:find("has no file", 1, true))
  end)

  it("sees strange files among the bodies", function()
    os.execute("touch " .. file():match("^(.*)/") .. "/readme")
    assert.is_truthy(problems()[1]:find("readme", 1, true))
  end)

  it("says what is wrong with a directory that holds no store", function()
    local list, text = bind.check { path = server.settings.path .. "/blobs" }
    assert.is_nil(list)
    assert.is_truthy(text:find("there is no mail store in", 1, true))
  end)

  it("refuses a store of another schema version, as everything does", function()
    bind.damage(server.settings, "version")
    local list, text = bind.check(server.settings)
    assert.is_nil(list)
    assert.is_truthy(text:find("schema version 99", 1, true))
    server:start(true)
    local _, code = bind.wait(server.pid)
    server.pid = nil
    assert.equal(73, code)
  end)

  it("works beside a running store under load #slow", function()
    server:start()
    local client = server:client()
    for round = 1, 8 do
      for i = 1, 40 do
        client:deliver("", { "load@example.test" }, ("y"):rep(i % 20 == 0 and 80000 or 3000))
      end
      if round % 2 == 0 then
        client:drain()
        local drop = client:open("load@example.test")
        local all = {}
        for i = 1, drop:facts().count do all[i] = i end
        local op = drop:commit(all)
        client:run(1)
        assert.equal("", server:problems())
        client:wait(op)
        drop:close()
      end
      assert.equal("", server:problems())
    end
    client:drain()
  end)
end)
