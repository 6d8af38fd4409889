local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("the maildrop lock", function()
  local server, client

  setup(function()
    server = mail_store.new()
    client = server:client()
  end)
  teardown(function() server:finish() end)

  local function status_of(name)
    local drop, status = client:open(name)
    if drop then drop:close() end
    return drop and "OK" or status
  end

  it("keeps a second session of the same process out until the first closes", function()
    local drop = assert(client:open("a@example.test"))
    assert.equal("BUSY", status_of("a@example.test"))
    assert.equal("OK", status_of("b@example.test"))
    drop:close()
    assert.equal("OK", status_of("a@example.test"))
  end)

  it("keeps other clients out", function()
    local other = server:client()
    local drop = assert(other:open("c@example.test"))
    assert.equal("BUSY", status_of("c@example.test"))
    drop:close()
    assert.equal("OK", status_of("c@example.test"))
    other:close()
  end)

  it("keeps other processes out, and is free when they are killed", function()
    local holder = bind.hold(server.settings, "d@example.test")
    assert.equal("BUSY", status_of("d@example.test"))
    assert.equal("BUSY", client:wait(client:mailbox_remove("d@example.test")).status)
    bind.kill(holder, 9)
    bind.wait(holder)
    assert.equal("OK", status_of("d@example.test"))
  end)

  it("survives a restart of the store process: it is the session's", function()
    local drop = assert(client:open("e@example.test"))
    server:restart(9)
    client:wait(client:numbers())
    assert.equal("BUSY", status_of("e@example.test"))
    drop:close()
    assert.equal("OK", status_of("e@example.test"))
  end)

  it("takes names of any form", function()
    for _, name in ipairs { "a/../b@example.test", ("n"):rep(300), "\"quoted \\\" x\"@example.test", "ü@example.test" } do
      local drop = assert(client:open(name))
      assert.equal("BUSY", status_of(name))
      drop:close()
    end
  end)

  it("is gone with the mailbox", function()
    client:wait(client:deliver("", { "f@example.test" }, "x"))
    assert(client:open("f@example.test")):close()
    local function count()
      local pipe = io.popen("find " .. server.settings.path .. "/locks -type f | wc -l")
      local n = pipe:read("n")
      pipe:close()
      return n
    end
    local before = count()
    assert.equal("OK", client:wait(client:mailbox_remove("f@example.test")).status)
    assert.equal(before - 1, count())
    assert.equal("OK", status_of("f@example.test"))
  end)
end)
