local hook = require("spec.support.bind")("hook")

describe("maildrop_uidl", function()
  it("is made of uidvalidity and uid, so that it never comes again", function()
    assert.equal("0000002a.7", hook.uidl(42, 7))
    assert.equal("ffffffff.18446744073709551615", hook.uidl(0xffffffff, -1))
    assert.not_equal(hook.uidl(1, 11), hook.uidl(11, 1))
  end)

  it("is the provider's own where it has one, 70 octets at most (RFC 1939, 7)", function()
    assert.equal("from-the-old-system", hook.uidl(42, 7, "from-the-old-system"))
    assert.equal(70, #hook.uidl(1, 1, ("u"):rep(100)))
  end)
end)
