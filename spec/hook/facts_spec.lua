local hook = require("spec.support.bind")("hook")

describe("the facts of a session", function()
  it("begin with an id of their own", function()
    local one, two = hook.facts(), (hook.facts())
    assert.equal(11, #one)
    assert.not_equal(one, two)
  end)

  it("keep the last HELO name and the last identity, and free both", function()
    local _, helo, esmtp, user, mailbox, cleared =
      hook.facts("client.example", true, "Alice", "alice@example.test")
    assert.same({ "client.example", true, "Alice", "alice@example.test", true },
      { helo, esmtp, user, mailbox, cleared })
  end)

  it("know no name before HELO", function()
    local _, helo, esmtp, user = hook.facts(nil, false)
    assert.same({ false }, { esmtp })
    assert.is_nil(helo)
    assert.is_nil(user)
  end)

  it("name protocols and services as the configuration does", function()
    assert.same({ "smtp", "mta" }, { hook.names(0, 1) })
    assert.same({ "pop3", "submission" }, { hook.names(1, 2) })
    assert.equal("submissions", select(2, hook.names(0, 4)))
    assert.equal("pop3", select(2, hook.names(0, 8)))
    assert.equal("pop3s", select(2, hook.names(0, 16)))
  end)
end)
