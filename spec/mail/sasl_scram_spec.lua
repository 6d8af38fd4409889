local base = require("spec.support.bind")("base")
local mail = require("spec.support.bind")("mail")
local sasl = require("spec.support.bind")("mail_sasl")
local scram_client = require("spec.support.scram_client")

local SALT = mail.base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==")

describe("SCRAM-SHA-256", function()
  -- RFC 7677, 3: user "user", password "pencil".
  local client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
  local nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
  local proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
  local stored, server

  setup(function()
    stored, server = sasl.derive("pencil", SALT, 4096)
  end)

  local function begin(first)
    local s = sasl.scram(false, false, nonce:sub(21))
    s:client_first(first or client_first)
    return s, s:server_first(SALT, 4096, stored, server)
  end

  it("speaks the example of RFC 7677, 3", function()
    local s = sasl.scram(false, false, nonce:sub(21))
    assert.same({ "user", "", "" }, { s:client_first(client_first) })
    assert.equal("r=" .. nonce .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      s:server_first(SALT, 4096, stored, server))
    assert.equal("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
      (s:client_final("c=biws,r=" .. nonce .. "," .. proof, "")))
  end)

  it("denies a wrong proof, another nonce and another binding", function()
    for _, final in ipairs {
      "c=biws,r=" .. nonce .. ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "c=biws,r=" .. nonce .. "x," .. proof,
      "c=biws,r=rOprNGfwEbeRWgbNEkqO," .. proof,
      "c=eSws,r=" .. nonce .. "," .. proof,
    } do
      local out, status = begin():client_final(final, "")
      assert.same({ status = "DENIED" }, { out = out, status = status })
    end
  end)

  it("denies another nonce even when the proof is right for it", function()
    local client = scram_client.new { user = "user", password = "pencil" }
    local s = sasl.scram(false, false)
    s:client_first(client.first)
    local first = s:server_first(SALT, 4096, stored, server)
    client.nonce = "replayed"
    local out, status = s:client_final(client.final(first), "")
    assert.same({ status = "DENIED" }, { out = out, status = status })
  end)

  it("takes every printable character but the comma in a nonce", function()
    local nonce_text = {}
    for c = 0x21, 0x7e do nonce_text[#nonce_text + 1] = c ~= 0x2c and string.char(c) or "" end
    assert.truthy((sasl.scram(false, false):client_first("n,,n=user,r=" .. table.concat(nonce_text))))
  end)

  it("refuses a client-final-message that breaks the grammar", function()
    for _, final in ipairs {
      "", "c=biws", "c=biws,r=" .. nonce, "r=" .. nonce .. ",c=biws," .. proof,
      "c=biws,r=" .. nonce .. ",p=", "c=biws,r=" .. nonce .. ",p=AAAA",
      "c=biws,r=" .. nonce .. ",p=!" .. proof:sub(4), "c=biws,r=" .. nonce .. ",junk," .. proof,
      "c=biws,r=" .. nonce .. "," .. proof .. ",x=y",
    } do
      local out, status = begin():client_final(final, "")
      assert.same({ status = "SYNTAX" }, { out = out, status = status }, final)
    end
  end)

  it("ignores extensions it does not know, on both messages", function()
    local client = scram_client.new { user = "user", password = "pencil" }
    client.bare = client.bare .. ",x=unknown,y=2"
    client.more = ",z=later"
    local s, first = begin("n,," .. client.bare)
    local final = client.final(first)
    assert.truthy(final:find(",z=later,p=", 1, true))
    assert.equal(client.signature, (s:client_final(final, "")))
  end)

  it("refuses a mandatory extension", function()
    local out, status, err = sasl.scram(false, false):client_first("n,,m=x,n=user,r=abc")
    assert.same({ "DENIED", "extensions-not-supported" }, { status, err })
    assert.is_nil(out)
  end)

  it("refuses a client-first-message that breaks the grammar", function()
    for _, first in ipairs { "", "n", "n,", "n,,", "n,,n=user", "n,,r=abc,n=user", "n,,n=,r=abc",
      "n,,n=user,r=", "n,,n=us=er,r=abc", "n,,n=user,r=a\1b", "x,,n=user,r=abc", "n,b=c,n=user,r=abc",
      "n,a=,n=user,r=abc", "n,,n=a\7,r=abc", "n,,n=user,r=abc,junk",
      "n,,n=" .. ("x"):rep(5000) .. ",r=abc" } do
      local out, status = sasl.scram(false, false):client_first(first)
      assert.same({ status = "SYNTAX" }, { out = out, status = status }, first)
    end
  end)

  it("decodes and prepares user and authorization identity", function()
    local s = sasl.scram(false, false)
    assert.same({ "a,b=IX", "x,y", "" }, { s:client_first("n,a=x=2Cy,n=a=2Cb=3DI\u{AD}X,r=abc") })
  end)

  it("makes a nonce of its own that differs each time", function()
    local a, b = sasl.scram(false, false), sasl.scram(false, false)
    a:client_first(client_first)
    b:client_first(client_first)
    local first = a:server_first(SALT, 4096, stored, server)
    assert.truthy(first:match("^r=rOprNGfwEbeRWgbNEkqO[%w]+,"))
    assert.is_true(#first:match("^r=([^,]*)") >= 20 + 24)
    assert.not_equal(first, b:server_first(SALT, 4096, stored, server))
  end)

  it("refuses keys of a wrong size instead of using them", function()
    local s = sasl.scram(false, false)
    s:client_first(client_first)
    assert.is_nil((s:server_first(SALT, 4096, stored:sub(2), server)))
    assert.is_nil((s:server_first(SALT, 0, stored, server)))
    assert.is_nil((s:server_first("", 4096, stored, server)))
  end)

  it("prepares the password before it derives", function()
    assert.same({ sasl.derive("IX", SALT, 1) }, { sasl.derive("I\u{AD}X", SALT, 1) })
    assert.not_same({ sasl.derive("IX", SALT, 1) }, { sasl.derive("IY", SALT, 1) })
  end)

  it("derives as RFC 5802, 3 says", function()
    local unhex = scram_client.unhex
    local salted = unhex(base.pbkdf2_sha256("pencil", SALT, 4096))
    assert.equal(unhex(base.sha256(unhex(base.hmac_sha256(salted, "Client Key")))), stored)
    assert.equal(unhex(base.hmac_sha256(salted, "Server Key")), server)
  end)
end)

describe("SCRAM channel binding", function()
  local stored, server

  setup(function()
    stored, server = sasl.derive("pencil", SALT, 4096)
  end)

  local function exchange(plus, gs2, client_binding, server_binding, user)
    local s = sasl.scram(plus, plus)
    local client = scram_client.new {
      user = user or "user", password = "pencil", gs2 = gs2, binding = client_binding,
    }
    local out, status, err = s:client_first(client.first)
    if not out then return nil, status, err end
    local final = client.final(s:server_first(SALT, 4096, stored, server))
    out, status, err = s:client_final(final, server_binding)
    assert.equal(out ~= nil, out == client.signature)
    return out, status, err
  end

  it("binds with tls-exporter and tls-server-end-point", function()
    assert.truthy((exchange(true, "p=tls-exporter,,", ("k"):rep(32), ("k"):rep(32))))
    assert.truthy((exchange(true, "p=tls-server-end-point,a=x,", "hash", "hash")))
  end)

  it("denies when the two ends see different channels", function()
    local _, status, err = exchange(true, "p=tls-exporter,,", ("k"):rep(32), ("q"):rep(32))
    assert.same({ "DENIED", "channel-bindings-dont-match" }, { status, err })
  end)

  it("denies when the channel has no data, whatever the client says", function()
    local _, status = exchange(true, "p=tls-exporter,,", "", "")
    assert.equal("DENIED", status)
  end)

  it("denies -PLUS without binding and binding without -PLUS", function()
    local _, status, err = exchange(true, "n,,", "", "data")
    assert.same({ "DENIED", "channel-bindings-dont-match" }, { status, err })
    _, status, err = exchange(true, "y,,", "", "data")
    assert.same({ "DENIED", "channel-bindings-dont-match" }, { status, err })
    _, status, err = exchange(false, "p=tls-exporter,,", "data", "data")
    assert.same({ "DENIED", "channel-binding-not-supported" }, { status, err })
  end)

  it("denies types it does not know, tls-unique among them", function()
    for _, type in ipairs { "tls-unique", "tls-exporte", "tls-exporter2", "" } do
      local _, status, err = exchange(true, "p=" .. type .. ",,", "data", "data")
      assert.same({ "DENIED", "unsupported-channel-binding-type" }, { status, err })
    end
  end)

  it("sees a downgrade: the client can bind and was told that we cannot", function()
    local s = sasl.scram(false, true)
    local _, status, err = s:client_first("y,,n=user,r=abc")
    assert.same({ "DENIED", "server-does-support-channel-binding" }, { status, err })
    assert.truthy((sasl.scram(false, false):client_first("y,,n=user,r=abc")))
    assert.truthy((sasl.scram(false, true):client_first("n,,n=user,r=abc")))
  end)
end)

describe("sasl_scram_fake_salt", function()
  it("is stable for a user and a secret, and differs with either", function()
    assert.equal(16, #sasl.fake_salt("nobody", "secret"))
    assert.equal(sasl.fake_salt("nobody", "secret"), sasl.fake_salt("nobody", "secret"))
    assert.not_equal(sasl.fake_salt("nobody", "secret"), sasl.fake_salt("nobodx", "secret"))
    assert.not_equal(sasl.fake_salt("nobody", "secret"), sasl.fake_salt("nobody", "secreu"))
  end)
end)
