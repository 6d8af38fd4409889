local mail = require("spec.support.bind")("mail")

describe("idna_spell", function()
  it("gives both spellings of a name, whichever it is given", function()
    for _, name in ipairs { "пример.test", "ПРИМЕР.test", "xn--e1afmkfd.test", "XN--E1AFMKFD.Test" } do
      assert.same({ "xn--e1afmkfd.test", "пример.test" }, { mail.idna_spell(name) }, name)
    end
    assert.same({ "mail.xn--bcher-kva.example", "mail.bücher.example" }, { mail.idna_spell "mail.bu\u{308}cher.example" })
  end)

  it("leaves plain names alone", function()
    for _, name in ipairs { "", "example.test", "xn.test", "a.xn--", "[127.0.0.1]" } do
      assert.equal("NOTFOUND", mail.idna_spell(name), name)
    end
  end)

  it("refuses what is no name", function()
    for _, name in ipairs { "\xff.test", "\u{3c}\u{338}\u{fffd}.test", ("п"):rep(200) .. ".test", ("п"):rep(80) .. ".test" } do
      assert.equal("SYNTAX", mail.idna_spell(name), name)
    end
  end)
end)
