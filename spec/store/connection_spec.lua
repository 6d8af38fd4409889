local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("the socket of the store process", function()
  local server, client

  setup(function()
    server = mail_store.new { quiet = true }
    client = server:client()
  end)
  teardown(function() server:finish() end)

  after_each(function()
    assert.equal("OK", client:wait(client:deliver("", { "a@example.test" }, "still alive")).status)
  end)

  it("closes the connection of who does not speak its language", function()
    assert.is_true(bind.raw(server.settings, ("GET / HTTP/1.1\r\n\r\n"):rep(3)))
    assert.is_true(bind.raw(server.settings, ("\xff"):rep(64)))
  end)

  it("closes the connection of another version or of a frame that is too large", function()
    local frame = bind.frame("NUMBERS", "")
    assert.is_false(bind.raw(server.settings, frame))
    assert.is_true(bind.raw(server.settings, frame:sub(1, 4) .. "\x63" .. frame:sub(6)))
    assert.is_true(bind.raw(server.settings, "\xff\xff\xff\x7f" .. frame:sub(5)))
  end)

  it("closes the connection of a frame whose descriptor is missing", function()
    local frame = bind.frame("DELIVER", ("x"):rep(100))
    assert.is_true(bind.raw(server.settings, frame:sub(1, 7) .. "\1" .. frame:sub(9)))
  end)

  it("lives on when a client leaves in the middle of a frame", function()
    local frame = bind.frame("DELIVER", ("x"):rep(5000))
    for _, n in ipairs { 1, 15, 16, 17, 4000 } do bind.raw(server.settings, frame:sub(1, n)) end
  end)
end)
