local mail = require("spec.support.bind")("mail")

describe("base64", function()
  it("gives the vectors of RFC 4648, 10, both ways", function()
    for plain, text in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" } do
      assert.equal(text, mail.base64_encode(plain))
      assert.equal(plain, mail.base64_decode(text))
    end
  end)

  it("brings back any octets", function()
    local octets = {}
    for i = 0, 255 do octets[#octets + 1] = string.char(i) end
    for from = 1, 8 do
      local text = table.concat(octets, "", from)
      assert.equal(text, mail.base64_decode(mail.base64_encode(text)))
    end
    assert.equal("+/+/", mail.base64_encode(mail.base64_decode("+/+/")))
  end)

  it("refuses missing, misplaced and surplus padding, other characters and line breaks", function()
    for _, text in ipairs { "Z", "Zg", "Zg=", "Zg===", "=", "==", "===", "====", "Z===", "Zg==Zg==", "Zm=v", "Zm9v\r\n",
      " Zm9v", "Zm9v ", "Zm9v====", "Zm-_", "Zm9\0", "Zm9\255", "*" } do
      local out, status = mail.base64_decode(text)
      assert.is_nil(out, text)
      assert.equal("SYNTAX", status)
    end
  end)

  it("refuses a second spelling of the same octets (RFC 4648, 3.5)", function()
    assert.is_nil((mail.base64_decode("Zh==")))
    assert.is_nil((mail.base64_decode("Zm9=")))
  end)

  it("says TOOBIG at the ceiling of its buffer", function()
    assert.equal("foobar", mail.base64_decode("Zm9vYmFy", 6))
    assert.same({ nil, "TOOBIG" }, { mail.base64_decode("Zm9vYmFy", 5) })
    assert.same({ nil, "TOOBIG" }, { mail.base64_encode("foobar", 7) })
  end)
end)
