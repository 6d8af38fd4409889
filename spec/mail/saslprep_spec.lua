local sasl = require("spec.support.bind")("mail_sasl")

describe("saslprep", function()
  it("gives the results of RFC 4013, 3", function()
    assert.equal("IX", sasl.saslprep("I\u{AD}X"))
    assert.equal("user", sasl.saslprep("user"))
    assert.equal("USER", sasl.saslprep("USER"))
    assert.equal("two words", sasl.saslprep("two words"))
    assert.equal("a", sasl.saslprep("\u{AA}"))
    assert.equal("IX", sasl.saslprep("\u{2168}"))
  end)

  it("refuses prohibited characters, mixed directions, broken UTF-8 and nothing at all", function()
    for _, text in ipairs { "\u{7}", "\u{627}1", "a\127", "a\0b", "\255", "\xc0\xaf", "", "\u{E000}",
      "\u{AD}" } do
      local out, status = sasl.saslprep(text)
      assert.is_nil(out)
      assert.equal("SYNTAX", status)
    end
  end)

  it("turns other spaces into the usual one and composes letters", function()
    assert.equal("a b", sasl.saslprep("a\u{A0}b"))
    assert.equal("\u{E9}", sasl.saslprep("e\u{301}"))
  end)

  it("has a ceiling", function()
    assert.equal(("x"):rep(4096), sasl.saslprep(("x"):rep(4096)))
    local _, status = sasl.saslprep(("x"):rep(4097))
    assert.equal("TOOBIG", status)
    _, status = sasl.saslprep(("\u{FDFA}"):rep(1000))
    assert.equal("TOOBIG", status)
  end)
end)
