local base = require("spec.support.bind")("base")
local logins = require("spec.support.login_users")

local session, users, with_users = logins.session, logins.users, logins.with_users

after_each(logins.close_all)

describe("login with USER and PASS", function()
  it("asks the same question as PLAIN", function()
    local s, asked = session(), nil
    s:answer_with(function(q)
      asked = q
      return users(q)
    end)
    assert.same({ "done" }, (s:password("alice", "secret")))
    assert.same({ "auth", "USER" }, { asked.hook, asked.mechanism })
    assert.same({ "refused" }, (s:password("alice", "wrong")))
  end)

  it("refuses impossible names and empty passwords itself", function()
    local s = session()
    s:answer_with(function() error("asked") end)
    for _, pair in ipairs { { "", "secret" }, { "a\1", "secret" }, { "\255", "x" }, { "alice", "" } } do
      assert.same({ "refused" }, (s:password(pair[1], pair[2])))
    end
    assert.equal(4, s:facts().failures)
  end)
end)

describe("login with APOP", function()
  local stamp = "<1896.697170952@dbc.mtview.ca.us>"

  it("verifies the example of RFC 1939, 7", function()
    local s = session()
    s:answer_with(function(q)
      assert.same({ "secret", "APOP", "mrose" }, { q.hook, q.mechanism, q.user })
      return { kind = "accept", plain = "tanstaaf" }
    end)
    assert.same({ "done" }, (s:apop("mrose", stamp, "c4c9334bac560ecc979e58001b3e22fb")))
    assert.equal("mrose", s:facts().user)
    assert.same({ "refused" }, (s:apop("mrose", stamp, "c4c9334bac560ecc979e58001b3e22fc")))
    assert.same({ "refused" }, (s:apop("mrose", "<x@y>", "c4c9334bac560ecc979e58001b3e22fb")))
  end)

  it("refuses a user without a password in clear", function()
    local s = session()
    s:answer_with(function() return { kind = "accept", user = "mrose" } end)
    assert.same({ "refused" }, (s:apop("mrose", stamp, base.md5(stamp))))
    assert.same({ "reject", "5.7.8" }, { s:facts().kind, s:facts().status })
  end)

  it("calls a digest of the wrong length bad", function()
    assert.same({ "bad" }, (with_users():apop("mrose", stamp, "c4c9")))
  end)
end)

describe("login_offered", function()
  local all = "LOGIN PLAIN CRAM-MD5 XOAUTH2 OAUTHBEARER SCRAM-SHA-256 SCRAM-SHA-256-PLUS"

  it("offers strongest first what can work", function()
    local s = session { hooks = { "secret", "token" }, tls = true,
      binding = { ["tls-server-end-point"] = "x" } }
    assert.equal("SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN", s:offered(all))
    assert.equal("PLAIN", s:offered("PLAIN"))
    assert.equal("", s:offered(""))
  end)

  it("sends no password or token in clear unless that is allowed", function()
    local s = session { hooks = { "secret", "token" } }
    assert.equal("SCRAM-SHA-256 CRAM-MD5", s:offered(all))
    assert.equal("SCRAM-SHA-256 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN", s:offered(all, true))
  end)

  it("offers nothing that nobody can answer", function()
    assert.equal("PLAIN LOGIN", session({ hooks = {}, tls = true }):offered(all))
    assert.equal("OAUTHBEARER XOAUTH2 PLAIN LOGIN", session({ hooks = { "token" }, tls = true }):offered(all))
    assert.equal("SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN",
      session({ hooks = { "secret" }, tls = true }):offered(all))
  end)

  it("offers -PLUS only with binding data and TLS", function()
    local s = session { hooks = { "secret" }, binding = { ["tls-exporter"] = "x" } }
    assert.equal("", s:offered("SCRAM-SHA-256-PLUS"))
  end)
end)
