local mime = require "spec.support.bind" ("mime")

local function decodes(encoding, text, want)
  for _, piece in ipairs { 1, 2, 3, 1000 } do
    assert.equal(want, mime.transfer(encoding, text, piece), ("%q by %d"):format(text, piece))
  end
end

describe("transfer_decode", function()
  it("passes on what has no encoding, or one that nobody knows", function()
    decodes("8bit", "a=20\r\n", "a=20\r\n")
    decodes("uuencode", "x", "x")
  end)

  it("reads base64, skipping what does not belong to it", function()
    decodes("BASE64", "SGVsbG8g\r\nd29y bGQ=\r\n", "Hello world")
    decodes("base64", "SGk=SGk=", "HiHi")
    decodes("base64", "SGk", "Hi")
    decodes("base64", "S", "")
    decodes("base64", "====!!!!", "")
  end)

  it("reads quoted-printable", function()
    decodes("quoted-printable", "a=3Db=\r\nc=C3=a9 \t\r\nd", "a=bcé\r\nd")
    decodes("quoted-printable", "soft=  \r\nbreak", "softbreak")
    decodes("quoted-printable", "lf=\nonly", "lfonly")
  end)

  it("takes broken quoted-printable as text", function()
    decodes("quoted-printable", "50=%", "50=%")
    decodes("quoted-printable", "x=4z=", "x=4z")
    decodes("quoted-printable", "x=4", "x=4")
    decodes("quoted-printable", ("\t"):rep(1500) .. "x  ", ("\t"):rep(1500) .. "x")
  end)
end)
