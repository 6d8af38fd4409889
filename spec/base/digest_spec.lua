local base = require("spec.support.bind")("base")

describe("digests", function()
  it("are SHA-256 and MD5 as published (FIPS 180-4, RFC 1321)", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", base.sha256("abc"))
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", base.sha256(""))
    assert.equal("900150983cd24fb0d6963f7d28e17f72", base.md5("abc"))
    assert.equal("d41d8cd98f00b204e9800998ecf8427e", base.md5(""))
  end)

  it("are HMAC as published (RFC 2202, RFC 4231)", function()
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      base.hmac_sha256("Jefe", "what do ya want for nothing?"))
    assert.equal("750c783e6ab0b503eaa86e310a5db738", base.hmac_md5("Jefe", "what do ya want for nothing?"))
    assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      base.hmac_sha256(("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
  end)

  it("take an empty key for a key", function()
    base.hmac_sha256("another key", "x")
    assert.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", base.hmac_sha256("", ""))
    assert.equal("74e6f7298a9c2d168935f58c001bad88", base.hmac_md5("", ""))
  end)

  it("derive keys as PBKDF2 does (RFC 7914, 11)", function()
    assert.equal("120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b",
      base.pbkdf2_sha256("password", "salt", 1))
    assert.equal("c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a",
      base.pbkdf2_sha256("password", "salt", 4096))
  end)
end)
