local mail = require("spec.support.bind")("mail")

describe("params_next", function()
  it("gives keywords with and without values, in order", function()
    local list, status = mail.params("SIZE=100 BODY=8BITMIME SMTPUTF8 X-Zz09=a,b;c<d>")
    assert.same({ { "SIZE", "100" }, { "BODY", "8BITMIME" }, { "SMTPUTF8", false }, { "X-Zz09", "a,b;c<d>" } }, list)
    assert.equal("END", status)
  end)

  it("skips spaces before, between and behind", function()
    local list, status = mail.params("  SIZE=1   BODY=7BIT ")
    assert.same({ { { "SIZE", "1" }, { "BODY", "7BIT" } }, "END" }, { list, status })
    assert.same({ {}, "END" }, { mail.params("   ") })
  end)

  it("takes UTF-8 in values (RFC 6531, 3.3)", function()
    assert.same({ { "X", "ü" } }, (mail.params("X=ü")))
  end)

  it("refuses what RFC 5321, 4.1.2 does not have", function()
    for _, text in ipairs { "=", "=1", "SIZE=", "SIZE=1=2", "-X", "X_Y", "SI:ZE=1", "SIZE=1\t", "SIZE=\1", "Ü=1",
      "SIZE=\127", "a\tb", "<x>" } do
      local _, status = mail.params(text)
      assert.equal("SYNTAX", status, text)
    end
  end)
end)

describe("xtext", function()
  it("decodes +HH and takes the rest as it stands", function()
    assert.equal("a+b=c d\0", mail.xtext_decode("a+2Bb+3Dc+20d+00"))
    assert.equal("", mail.xtext_decode(""))
  end)

  it("refuses lower-case and missing digits, '=', spaces, controls and octets above 127", function()
    for _, text in ipairs { "+", "+2", "+2b", "+G0", "a=b", "a b", "a\tb", "a\127", "a\128" } do
      assert.same({ nil, "SYNTAX" }, { mail.xtext_decode(text) })
    end
  end)

  it("brings back any octets", function()
    local octets = {}
    for i = 0, 255 do octets[#octets + 1] = string.char(i) end
    local text = table.concat(octets)
    assert.equal(text, mail.xtext_decode(mail.xtext_encode(text)))
    assert.equal("a+2B+3D+20+0A+7F+FF", mail.xtext_encode("a+= \n\127\255"))
  end)
end)
