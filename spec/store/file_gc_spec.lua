local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("files of deleted messages", function()
  local server, client

  before_each(function()
    server = mail_store.new()
    client = server:client()
  end)
  after_each(function() server:finish() end)

  local function files()
    local pipe = io.popen(("find %s/blobs -type f | wc -l"):format(server.settings.path))
    local n = pipe:read("n")
    pipe:close()
    return n
  end

  local function delete_all()
    local drop = client:open("a@example.test")
    local all = {}
    for i = 1, drop:facts().count do all[i] = i end
    assert.equal("OK", client:wait(drop:commit(all)).status)
    drop:close()
  end

  local function wait_for(n)
    for _ = 1, 60 do
      if files() == n then return end
      client:run(50)
    end
    assert.equal(n, files())
  end

  it("go soon, also when they are many", function()
    for _ = 1, 150 do client:deliver("", { "a@example.test" }, ("x"):rep(66000)) end
    client:drain()
    assert.equal(150, files())
    delete_all()
    wait_for(0)
    assert.equal("", server:problems())
  end)

  it("stay while a backup copies them", function()
    client:wait(client:deliver("", { "a@example.test" }, ("x"):rep(66000)))
    local lock = bind.lock_files(server.settings)
    delete_all()
    client:run(600)
    assert.equal(1, files())
    bind.close_fd(lock)
    wait_for(0)
  end)

  it("go after a restart when the process ended before", function()
    client:wait(client:deliver("", { "a@example.test" }, ("x"):rep(66000)))
    delete_all()
    server:restart(9)
    wait_for(0)
    assert.equal("", server:problems())
  end)

  it("go when the message was refused after its file had a name", function()
    client:wait(client:mailbox_quota("a@example.test", 1, 1))
    assert.same({ "QUOTA" }, client:wait(client:deliver("", { "a@example.test" }, ("x"):rep(66000))).results)
    assert.equal(0, files())
  end)
end)
