local mail = require("spec.support.bind")("mail")
local logins = require("spec.support.login_users")

local session, users, with_users = logins.session, logins.users, logins.with_users
local b64 = mail.base64_encode

after_each(logins.close_all)

describe("accept_login", function()
  it("is asked with the identity in place and may refuse", function()
    local s, asked = session { hooks = { "accept_login" } }, nil
    s:answer_with(function(q)
      if q.hook == "accept_login" then
        asked = q
        return { kind = "reject", text = "Not from here" }
      end
      return users(q)
    end)
    assert.same({ "refused" }, (s:start("PLAIN", b64("\0alice\0secret"))))
    assert.same({ "alice@example.test", "alice" }, { asked.identity, asked.user })
    local facts = s:facts()
    assert.same({ "reject", "5.7.13", "Not from here", 1 },
      { facts.kind, facts.status, facts.text, facts.failures })
    assert.is_nil(facts.user)
  end)

  it("lets pass when it has no opinion, and the one who authenticated stays the author", function()
    local s = session { hooks = { "accept_login" } }
    s:answer_with(users)
    assert.same({ "done" }, (s:start("PLAIN", b64("\0alice\0secret"))))
    assert.same({ "accept", "spec", "alice@example.test" }, { s:facts().kind, s:facts().by, s:facts().user })
  end)

  it("is not asked when nobody listens", function()
    local s, asked = session(), {}
    s:answer_with(function(q)
      asked[#asked + 1] = q.hook
      return users(q)
    end)
    s:start("PLAIN", b64("\0alice\0secret"))
    assert.same({ "auth" }, asked)
  end)
end)

describe("a login whose answer comes late", function()
  it("goes on when it comes", function()
    local s = session { hooks = { "accept_login" } }
    s:answer_with(function() return "later" end)
    assert.same({}, (s:start("PLAIN", b64("\0alice\0secret"))))
    assert.is_true(s:facts().running)
    assert.same({}, (s:answer { kind = "accept", user = "alice" }))
    assert.same({ "done" }, (s:answer { kind = "accept" }))
  end)

  it("is cancelled when the session closes in any of its questions", function()
    for _, mechanism in ipairs { "PLAIN", "OAUTHBEARER", "SCRAM-SHA-256", "CRAM-MD5" } do
      local message = { PLAIN = b64("\0alice\0secret"), OAUTHBEARER = b64("n,,\1auth=Bearer x\1\1"),
        ["SCRAM-SHA-256"] = b64("n,,n=user,r=abc") }
      local s = session()
      s:answer_with(function() return "later" end)
      s:start(mechanism, message[mechanism])
      if mechanism == "CRAM-MD5" then s:feed(b64("alice " .. ("0"):rep(32))) end
      assert.equal(1, s:close())
    end
  end)

  it("leaves nothing behind when the session closes between two lines", function()
    local s = with_users()
    s:start("LOGIN", b64("alice"))
    assert.equal(0, s:close())
  end)
end)

describe("EVENT_LOGIN", function()
  it("tells every success and every refusal with mechanism, user and verdict", function()
    local s = with_users()
    s:start("PLAIN", b64("\0alice\0secret"))
    s:start("PLAIN", b64("\0mallory\0secret"))
    s:password("alice", "wrong")
    s:start("PLAIN", "!")
    assert.same({
      { login = true, line = "PLAIN alice", verdict = "accept", by = "spec" },
      { login = true, line = "PLAIN mallory", verdict = "reject", by = "core" },
      { login = true, line = "USER alice", verdict = "reject", by = "core" },
    }, s:events())
  end)
end)
