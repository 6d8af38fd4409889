-- Mailboxes through the command line.
local server = require "spec.support.server"
local dkjson = require "dkjson"

describe("moonpost mailbox", function()
  local s

  setup(function()
    s = server.start()
    for i = 1, 3 do
      assert.is_true((s:deliver("x@y.example", "bob@example.test",
        "Subject: number " .. i .. "\r\nFrom: X <x@y.example>\r\n\r\ntext\r\n")))
    end
  end)
  teardown(function() s:stop() end)

  it("list counts messages and octets", function()
    local code, output = s:command { "mailbox", "list", "--json" }
    assert.equal(0, code, output)
    local bob = dkjson.decode(output)[1]
    assert.equal("bob@example.test", bob.mailbox)
    assert.equal(3, math.tointeger(bob.messages))
  end)

  it("show lists what a POP3 session would see", function()
    local _, output = s:command { "mailbox", "show", "bob", "--json" }
    local list = dkjson.decode(output)
    assert.equal(3, #list)
    assert.equal("number 2", list[2].subject)
    assert.equal("X <x@y.example>", list[2].from)
    local m = s:maildrop("bob@example.test")
    assert.equal("+OK 2 " .. list[2].uidl, m:ask("UIDL 2"))
    local code, text = s:command { "mailbox", "show", "bob" }
    assert.equal(75, code)                                    -- the session has the lock
    assert.is_truthy(text:find("in use by a POP3 session", 1, true), text)
    m:ask("QUIT")
    m:close()
  end)

  it("purge deletes nothing without a yes", function()
    local code, output = s:command { "mailbox", "purge", "bob@example.test" }
    assert.equal(1, code)
    assert.is_truthy(output:find("3 messages", 1, true), output)
    assert.equal(0, (s:command { "mailbox", "purge", "bob@example.test", "--yes" }))
    local m = s:maildrop("bob@example.test")
    assert.is_truthy(m:ask("STAT"):find("^%+OK 0 0"))
    m:ask("QUIT")
    m:close()
    assert.equal(0, (s:command { "mailbox", "purge", "bob@example.test", "--yes", "--remove" }))
    assert.equal(1, (s:command { "mailbox", "purge", "bob@example.test", "--yes" }))
  end)
end)
