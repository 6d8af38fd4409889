local mail_store = require "spec.support.store"
local bind = mail_store.bind

local function scratch()
  local pipe = io.popen("mktemp -d")
  local path = pipe:read("l")
  pipe:close()
  return path
end

describe("the data directory", function()
  local base

  before_each(function() base = scratch() end)
  after_each(function() os.execute("rm -rf " .. base) end)

  it("is made with all its parts, for its owner alone, and made again without harm", function()
    local settings = { path = base .. "/mail" }
    assert.is_true(bind.prepare(settings))
    assert.is_true(bind.prepare(settings))
    local pipe = io.popen("cd " .. settings.path .. " && stat -c '%a %n' mail.mdb blobs locks spool .")
    assert.equal("600 mail.mdb\n700 blobs\n700 locks\n700 spool\n700 .\n", pipe:read("a"))
    pipe:close()
    assert.is_false(bind.running(settings))
  end)

  it("is an error with its name when it cannot be made", function()
    local good, text = bind.prepare { path = base .. "/no/mail" }
    assert.is_nil(good)
    assert.is_truthy(text:find(base .. "/no/mail", 1, true))
    io.open(base .. "/file", "w"):close()
    good, text = bind.prepare { path = base .. "/file" }
    assert.is_nil(good)
    assert.is_truthy(text:find(base .. "/file", 1, true))
  end)

  it("has a socket however long its path is", function()
    local path = base .. ("/" .. ("d"):rep(60)):rep(3)
    os.execute("mkdir -p " .. path)
    local server = mail_store.new(nil, path .. "/mail")
    local client = server:client()
    assert.equal("OK", client:wait(client:deliver("", { "a@example.test" }, "x")).status)
    server:finish()
  end)

  it("takes a smaller map when the address space has no room for the one that was asked", function()
    local settings = { path = base .. "/mail", map_octets = 1 << 60 }
    assert.is_true(bind.prepare(settings))
    local octets = bind.map_octets(settings)
    assert.is_true(octets < 1 << 60 and octets >= 1 << 30)
  end)

  it("shows a map that grew to those who opened the smaller one", function()
    local server = mail_store.new({ map_octets = 8 << 20 })
    local reader = server:client()
    server:stop()
    server.settings.map_octets = 64 << 20
    server:start()
    for _ = 1, 300 do reader:deliver("", { "a@example.test" }, ("x"):rep(60000)) end
    reader:drain()
    assert.equal(300, reader:mailbox("a@example.test").count)
    assert.equal(300, #mail_store.texts(reader, "a@example.test"))
    server:finish()
  end)
end)
