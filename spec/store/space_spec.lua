local mail_store = require "spec.support.store"

describe("the ballast", function()
  local function ballast(server)
    local pipe = io.popen("stat -c %s " .. server.settings.path .. "/ballast 2>/dev/null")
    local n = pipe:read("n")
    pipe:close()
    return n
  end

  it("is laid down at the start while there is plenty of room", function()
    local server = mail_store.new { ballast_octets = 3 << 20 }
    local client = server:client()
    client:wait(client:numbers())
    assert.equal(3 << 20, ballast(server))
    server:finish()
  end)

  it("is not when the disk is short", function()
    local server = mail_store.new { ballast_octets = 3 << 20, min_free_octets = 1 << 50 }
    local client = server:client()
    client:wait(client:numbers())
    assert.is_nil(ballast(server))
    server:finish()
  end)
end)

describe("room for a message", function()
  it("is asked of the disk: the floor, and one and a half times the announced size", function()
    local server = mail_store.new()
    local client = server:client()
    local free = client:wait(client:numbers()).numbers.disk_free_octets
    assert.equal("OK", client:room(0))
    assert.equal("OK", client:room(free // 4))
    assert.equal("NOSPACE", client:room(free // 10 * 9))
    local strict = server:client { min_free_octets = free * 2 }
    assert.equal("OK", strict:wait(strict:numbers()).status)
    server:finish()
  end)
end)
