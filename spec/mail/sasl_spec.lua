local sasl = require("spec.support.bind")("mail_sasl")
local mail = require("spec.support.bind")("mail")

local function refused(status, fn, message)
  local out, got = fn(message)
  assert.is_nil(out, ("%q was taken"):format(message))
  assert.equal(status, got)
end

describe("sasl_plain_parse", function()
  it("reads the examples of RFC 4616, 4", function()
    assert.same({ "", "tim", "tanstaaftanstaaf" }, { sasl.plain("\0tim\0tanstaaftanstaaf") })
    assert.same({ "Ursel", "Kurt", "xipj3plmq" }, { sasl.plain("Ursel\0Kurt\0xipj3plmq") })
  end)

  it("takes a password of any octets but NUL", function()
    assert.same({ "", "a", "\1\255 =" }, { sasl.plain("\0a\0\1\255 =") })
  end)

  it("refuses missing parts, more NULs, empty names and passwords, controls, broken UTF-8", function()
    for _, message in ipairs { "", "a", "\0a", "\0\0p", "\0a\0", "\0a\0p\0", "\0a\0p\0q", "\0a\n\0p",
      "\0\255\0p", "x\127\0a\0p" } do
      refused("SYNTAX", sasl.plain, message)
    end
  end)
end)

describe("sasl_oauthbearer_parse", function()
  it("reads the example of RFC 7628, 4.1", function()
    local message = mail.base64_decode("bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAX" ..
      "BvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB")
    assert.same({ "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" },
      { sasl.oauthbearer(message) })
  end)

  it("lets the token alone name the user, the scheme be of any case, the name be escaped", function()
    assert.same({ "", "tok" }, { sasl.oauthbearer("n,,\1auth=Bearer tok\1\1") })
    assert.same({ "", "tok" }, { sasl.oauthbearer("y,,\1auth=bEARER tok\1\1") })
    assert.same({ "a,b=c", "tok" }, { sasl.oauthbearer("n,a=a=2Cb=3Dc,\1auth=Bearer tok\1\1") })
  end)

  it("refuses what the grammar does not have", function()
    for _, message in ipairs { "", "\1", "n,,", "n,,\1\1", "n,,\1auth=Bearer tok\1", "n,,auth=Bearer tok\1\1",
      "n,,xauth=Bearer tok\1\1",
      "p=x,,\1auth=Bearer tok\1\1", "n,,\1auth=Bearer \1\1", "n,,\1auth=Basic tok\1\1",
      "n,,\1auth=Bearer a\1auth=Bearer b\1\1", "n,a=,\1auth=Bearer tok\1\1", "n,a=x=,\1auth=Bearer t\1\1",
      "n,b=x,\1auth=Bearer tok\1\1", "n,,\1auth=Bearer a b\1\1", "n,,\1auth=Bearer tok\1\1x",
      "n,,\1=x\1auth=Bearer tok\1\1" } do
      refused("SYNTAX", sasl.oauthbearer, message)
    end
  end)
end)

describe("sasl_xoauth2_parse", function()
  it("reads user and token", function()
    local message = mail.base64_decode("dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRm" ..
      "dDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==")
    assert.same({ "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" },
      { sasl.xoauth2(message) })
  end)

  it("refuses what the grammar does not have", function()
    for _, message in ipairs { "", "\1", "user=a", "user=a\1\1", "user=\1auth=Bearer t\1\1",
      "auth=Bearer t\1\1", "user=a\1auth=Bearer t\1", "user=a\n\1auth=Bearer t\1\1" } do
      refused("SYNTAX", sasl.xoauth2, message)
    end
  end)
end)

describe("CRAM-MD5", function()
  local challenge = "<1896.697170952@postoffice.reston.mci.net>"

  it("verifies the example of RFC 2195, 2", function()
    local user, digest = sasl.cram_md5("tim b913a602c7eda7a495b4e6e7334d3890")
    assert.equal("tim", user)
    assert.is_true(sasl.cram_md5_verify(challenge, "tanstaaftanstaaf", digest))
    assert.is_false(sasl.cram_md5_verify(challenge, "tanstaaftanstaag", digest))
    assert.is_false(sasl.cram_md5_verify(challenge .. "x", "tanstaaftanstaaf", digest))
  end)

  it("takes user names with spaces", function()
    assert.equal("tim smith", (sasl.cram_md5("tim smith " .. ("0"):rep(32))))
  end)

  it("refuses a missing user and a digest of another length", function()
    for _, message in ipairs { "", "tim", " " .. ("0"):rep(32), "tim " .. ("0"):rep(31) } do
      refused("SYNTAX", sasl.cram_md5, message)
    end
  end)
end)

describe("sasl_name_decode", function()
  it("knows =2C and =3D and nothing else", function()
    assert.equal("a,b=c", sasl.name_decode("a=2Cb=3Dc"))
    assert.equal("", sasl.name_decode(""))
    for _, name in ipairs { "=", "a=2", "a=2c", "a=41", "==" } do
      refused("SYNTAX", sasl.name_decode, name)
    end
  end)
end)
