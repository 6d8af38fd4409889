local login = require("spec.support.bind")("hook_login")
local base = require("spec.support.bind")("base")
local mail = require("spec.support.bind")("mail")
local sasl = require("spec.support.bind")("mail_sasl")
local scram_client = require("spec.support.scram_client")

local b64 = mail.base64_encode

local open = {}

local function session(options)
  local s = login.session(options or { hooks = {} })
  open[#open + 1] = s
  return s
end

after_each(function()
  for _, s in ipairs(open) do s:close() end
  open = {}
end)

-- Answers that accept alice with "secret" and know no one else.
local function users(q)
  if q.hook == "auth" and q.user == "alice" and q.password == "secret" then
    return { kind = "accept", user = "alice@example.test" }
  elseif q.hook == "secret" and q.user == "alice" then
    return { kind = "accept", user = "alice@example.test", plain = "secret" }
  elseif q.hook == "token" and q.token == "good" then
    return { kind = "accept", user = "alice@example.test" }
  end
end

local function with_users(options)
  local s = session(options)
  s:answer_with(users)
  return s
end

describe("login with PLAIN", function()
  it("asks auth and takes the identity of the answer", function()
    local s, asked = session(), nil
    s:answer_with(function(q)
      asked = q
      return { kind = "accept", user = "Alice", mailbox = "alice@example.test" }
    end)
    assert.same({ "done" }, (s:start("PLAIN", b64("\0alice\0secret"))))
    assert.same({ hook = "auth", mechanism = "PLAIN", user = "alice", password = "secret", authzid = "" },
      asked)
    local facts = s:facts()
    assert.same({ "Alice", "alice@example.test", 0, false },
      { facts.user, facts.mailbox, facts.failures, facts.running })
  end)

  it("takes the user as given when the answer names nobody", function()
    local s = session()
    s:answer_with(function() return { kind = "accept" } end)
    s:start("plain", b64("\0alice\0secret"))
    assert.same({ "alice", "alice" }, { s:facts().user, s:facts().mailbox })
  end)

  it("asks for the message with an empty challenge when there is no initial response", function()
    local s = with_users()
    local steps, challenge = s:start("PLAIN")
    assert.same({ { "challenge" }, "" }, { steps, challenge })
    assert.same({ "done" }, (s:feed(b64("\0alice\0secret"))))
  end)

  it("refuses when nobody has an opinion, and counts", function()
    local s = with_users()
    assert.same({ "refused" }, (s:start("PLAIN", b64("\0alice\0wrong"))))
    local facts = s:facts()
    assert.same({ "reject", "5.7.8", "Authentication failed", 1 },
      { facts.kind, facts.status, facts.text, facts.failures })
    assert.is_nil(facts.user)
    s:start("PLAIN", b64("\0alice\0wrong"))
    assert.equal(2, s:facts().failures)
    assert.same({ "done" }, (s:start("PLAIN", b64("\0alice\0secret"))))
  end)

  it("gives a refusal of policy as it is", function()
    local s = session()
    s:answer_with(function() return { kind = "reject", status = "5.7.13", text = "Closed" } end)
    assert.same({ "refused" }, (s:start("PLAIN", b64("\0alice\0secret"))))
    local facts = s:facts()
    assert.same({ "reject", "5.7.13", "Closed", "spec" }, { facts.kind, facts.status, facts.text, facts.by })
  end)

  it("says tempfail 4.7.0 when the hook failed, and does not count that", function()
    local s = session()
    s:answer_with(function() return { kind = "tempfail" } end)
    assert.same({ "refused" }, (s:start("PLAIN", b64("\0alice\0secret"))))
    local facts = s:facts()
    assert.same({ "tempfail", "4.7.0", 0 }, { facts.kind, facts.status, facts.failures })
  end)

  it("takes a verdict that makes no sense for a login as a failure of policy", function()
    for _, kind in ipairs { "discard", "keep" } do
      local s = session()
      s:answer_with(function() return { kind = kind, status = "2.0.0", text = "fine" } end)
      assert.same({ "refused" }, (s:start("PLAIN", b64("\0alice\0secret"))))
      assert.same({ "tempfail", "4.7.0" }, { s:facts().kind, s:facts().status })
    end
  end)

  it("passes disconnect on", function()
    local s = session()
    s:answer_with(function() return { kind = "disconnect" } end)
    s:start("PLAIN", b64("\0alice\0secret"))
    assert.same({ "disconnect", "4.7.0" }, { s:facts().kind, s:facts().status })
  end)

  it("lets a user act as another only when the answer makes that one the identity", function()
    local s, answer = session(), nil
    s:answer_with(function(q)
      assert.equal("bob", q.authzid)
      return answer
    end)
    answer = { kind = "accept", user = "alice" }
    assert.same({ "refused" }, (s:start("PLAIN", b64("bob\0alice\0secret"))))
    assert.same({ "reject", "5.7.8" }, { s:facts().kind, s:facts().status })
    assert.is_nil(s:facts().user)
    answer = { kind = "accept", user = "bob" }
    assert.same({ "done" }, (s:start("PLAIN", b64("bob\0alice\0secret"))))
    assert.equal("bob", s:facts().user)
  end)

  it("takes the own name as authorization identity", function()
    local s = with_users()
    assert.same({ "done" }, (s:start("PLAIN", b64("alice\0alice\0secret"))))
  end)

  it("calls bad what is not base64 or not the grammar, and does not count it", function()
    local s = with_users()
    for _, initial in ipairs { "!", "AAA", b64("alice"), b64("\0alice\0"), "=", "" } do
      assert.same({ "bad" }, (s:start("PLAIN", initial)), initial)
    end
    assert.equal(0, s:facts().failures)
    assert.is_false(s:facts().running)
  end)

  it("is cancelled by a star", function()
    local s = with_users()
    s:start("PLAIN")
    assert.same({ "canceled" }, (s:feed("*")))
    assert.same({ "done" }, (s:start("PLAIN", b64("\0alice\0secret"))))
  end)
end)

describe("login with LOGIN", function()
  it("prompts for user and password", function()
    local s = with_users()
    local steps, challenge = s:start("LOGIN")
    assert.same({ { "challenge" }, "VXNlcm5hbWU6" }, { steps, challenge })
    steps, challenge = s:feed(b64("alice"))
    assert.same({ { "challenge" }, "UGFzc3dvcmQ6" }, { steps, challenge })
    assert.same({ "done" }, (s:feed(b64("secret"))))
  end)

  it("takes the user as initial response", function()
    local s = with_users()
    local _, challenge = s:start("LOGIN", b64("alice"))
    assert.equal("UGFzc3dvcmQ6", challenge)
    assert.same({ "refused" }, (s:feed(b64("wrong"))))
  end)

  it("refuses an empty password without asking anybody", function()
    local s = session()
    s:answer_with(function() error("asked") end)
    s:start("LOGIN", b64("alice"))
    assert.same({ "refused" }, (s:feed("")))
    assert.equal(1, s:facts().failures)
  end)

  it("calls an empty or impossible user bad", function()
    local s = with_users()
    s:start("LOGIN")
    assert.same({ "bad" }, (s:feed("")))
    assert.same({ "bad" }, (s:start("LOGIN", b64("a\nb"))))
  end)
end)

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

describe("login with CRAM-MD5", function()
  local function answer(challenge, user, password)
    return b64(user .. " " .. base.hmac_md5(password, mail.base64_decode(challenge)))
  end

  it("challenges with a msg-id that never comes twice", function()
    local s = with_users()
    local _, first = s:start("CRAM-MD5")
    assert.truthy(mail.base64_decode(first):match("^<%w+%.%d+@mx%.example>$"))
    assert.same({ "done" }, (s:feed(answer(first, "alice", "secret"))))
    local _, second = s:start("CRAM-MD5")
    assert.not_equal(first, second)
    assert.same({ "refused" }, (s:feed(answer(first, "alice", "secret"))))
  end)

  it("refuses wrong passwords and unknown users alike", function()
    local s, texts = with_users(), {}
    for i, pair in ipairs { { "alice", "wrong" }, { "nobody", "secret" } } do
      local _, challenge = s:start("CRAM-MD5")
      assert.same({ "refused" }, (s:feed(answer(challenge, pair[1], pair[2]))))
      texts[i] = s:facts().status .. s:facts().text
    end
    assert.equal(texts[1], texts[2])
  end)

  it("knows no initial response (RFC 4954, 4)", function()
    assert.same({ "bad" }, (with_users():start("CRAM-MD5", b64("alice x"))))
  end)

  it("calls an answer without a digest bad", function()
    local s = with_users()
    s:start("CRAM-MD5")
    assert.same({ "bad" }, (s:feed(b64("alice"))))
  end)
end)

for _, case in ipairs {
  { mechanism = "OAUTHBEARER", json = '{"status":"invalid_token"}',
    message = function(token) return b64("n,a=alice,\1auth=Bearer " .. token .. "\1\1") end },
  { mechanism = "XOAUTH2", json = '{"status":"401","schemes":"bearer"}',
    message = function(token) return b64("user=alice\1auth=Bearer " .. token .. "\1\1") end },
} do
  describe("login with " .. case.mechanism, function()
    it("asks the token hook", function()
      local s, asked = session(), nil
      s:answer_with(function(q)
        asked = q
        return users(q)
      end)
      assert.same({ "done" }, (s:start(case.mechanism, case.message("good"))))
      assert.same({ hook = "token", mechanism = case.mechanism, user = "alice", token = "good",
        authzid = "" }, asked)
      assert.equal("alice@example.test", s:facts().user)
    end)

    it("sends the error as JSON and refuses after the client's dummy response", function()
      for _, dummy in ipairs { "AQ==", "", "cmVhZA==" } do
        local s = with_users()
        local steps, challenge = s:start(case.mechanism, case.message("stale"))
        assert.same({ { "challenge" }, case.json }, { steps, mail.base64_decode(challenge) })
        assert.equal(0, s:facts().failures)
        assert.same({ "refused" }, (s:feed(dummy)))
        assert.same({ "reject", "5.7.8", 1 }, { s:facts().kind, s:facts().status, s:facts().failures })
      end
    end)

    it("counts a failure also when the client gives up or answers nonsense", function()
      for _, dummy in ipairs { "*", "!" } do
        local s = with_users()
        s:start(case.mechanism, case.message("stale"))
        assert.same({ "refused" }, (s:feed(dummy)))
        assert.equal(1, s:facts().failures)
      end
    end)

    it("refuses at once when the hook failed", function()
      local s = session()
      s:answer_with(function() return { kind = "tempfail" } end)
      assert.same({ "refused" }, (s:start(case.mechanism, case.message("good"))))
      assert.equal("4.7.0", s:facts().status)
    end)

    it("calls a message that is none bad", function()
      assert.same({ "bad" }, (with_users():start(case.mechanism, b64("\1"))))
    end)
  end)
end

describe("a token that names nobody", function()
  it("is a failure of policy, not a login", function()
    local s = session()
    s:answer_with(function() return { kind = "accept" } end)
    assert.same({ "refused" }, (s:start("OAUTHBEARER", b64("n,,\1auth=Bearer good\1\1"))))
    assert.same({ "tempfail", "4.7.0" }, { s:facts().kind, s:facts().status })
  end)
end)

describe("login with SCRAM-SHA-256", function()
  local salt = ("s"):rep(16)
  local stored, server = sasl.derive("pencil", salt, 4096)

  local function keys(q)
    if q.hook == "secret" and q.user == "user" then
      return { kind = "accept", user = "user@example.test", salt = salt, iterations = 4096,
        stored_key = stored, server_key = server }
    end
  end

  -- Run it whole; the steps at the end, and the signature's fit.
  local function exchange(s, client, mechanism)
    local steps, challenge = s:start(mechanism or "SCRAM-SHA-256", b64(client.first))
    if steps[1] ~= "challenge" then return steps end
    steps, challenge = s:feed(b64(client.final(mail.base64_decode(challenge))))
    if steps[1] ~= "challenge" then return steps end
    assert.equal(client.signature, mail.base64_decode(challenge))
    assert.is_true(s:facts().running)
    return (s:feed(""))
  end

  it("runs with the keys that the secret hook gives", function()
    local s = session()
    s:answer_with(keys)
    assert.same({ "done" }, exchange(s, scram_client.new { user = "user", password = "pencil" }))
    assert.equal("user@example.test", s:facts().user)
    assert.same({ "refused" }, exchange(s, scram_client.new { user = "user", password = "pencul" }))
    assert.same({ "reject", "5.7.8", 1 }, { s:facts().kind, s:facts().status, s:facts().failures })
  end)

  it("starts with an empty challenge when there is no initial response", function()
    local s = session()
    s:answer_with(keys)
    local client = scram_client.new { user = "user", password = "pencil" }
    local _, challenge = s:start("SCRAM-SHA-256")
    assert.equal("", challenge)
    _, challenge = s:feed(b64(client.first))
    s:feed(b64(client.final(mail.base64_decode(challenge))))
    assert.same({ "done" }, (s:feed("")))
  end)

  it("makes keys itself when the hook gives the password in clear", function()
    local s = with_users()
    assert.same({ "done" }, exchange(s, scram_client.new { user = "alice", password = "secret" }))
    assert.same({ "refused" }, exchange(s, scram_client.new { user = "alice", password = "wrong" }))
  end)

  it("shows an unknown user the dialogue of a known one", function()
    login.set_secret("stable")
    local s, salts = session(), {}
    s:answer_with(keys)
    for i = 1, 2 do
      local client = scram_client.new { user = "nobody", password = "pencil" }
      local steps, challenge = s:start("SCRAM-SHA-256", b64(client.first))
      assert.same({ "challenge" }, steps)
      local first = mail.base64_decode(challenge)
      salts[i] = first:match("s=([^,]*),i=4096$")
      assert.same({ "refused" }, (s:feed(b64(client.final(first)))))
      assert.same({ "reject", "5.7.8", "Authentication failed" },
        { s:facts().kind, s:facts().status, s:facts().text })
    end
    assert.equal(salts[1], salts[2])
    assert.equal(salts[1], b64(sasl.fake_salt("nobody", "stable")))
  end)

  it("refuses a user who has neither keys nor a password in clear, after the dialogue", function()
    local s = session()
    s:answer_with(function() return { kind = "accept", user = "user" } end)
    assert.same({ "refused" }, exchange(s, scram_client.new { user = "user", password = "nobody" }))
    assert.same({ "refused" }, exchange(s, scram_client.new { user = "user", password = "" }))
  end)

  it("keeps the word of an answer that refuses the user", function()
    local s = session()
    s:answer_with(function() return { kind = "reject", status = "5.7.13", text = "Closed" } end)
    assert.same({ "refused" }, exchange(s, scram_client.new { user = "user", password = "pencil" }))
    assert.same({ "5.7.13", "Closed", "spec" }, { s:facts().status, s:facts().text, s:facts().by })
  end)

  it("refuses at once when the hook failed", function()
    local s = session()
    s:answer_with(function() return { kind = "tempfail" } end)
    assert.same({ "refused" }, (s:start("SCRAM-SHA-256", b64("n,,n=user,r=abc"))))
    assert.equal("4.7.0", s:facts().status)
  end)

  it("lets nobody act as another user", function()
    local s = session()
    s:answer_with(keys)
    local client = scram_client.new { user = "user", password = "pencil", gs2 = "n,a=root," }
    assert.same({ "refused" }, exchange(s, client))
    client = scram_client.new { user = "user", password = "pencil", gs2 = "n,a=user," }
    assert.same({ "done" }, exchange(s, client))
    client = scram_client.new { user = "user", password = "pencil", gs2 = "n,a=user@example.test," }
    assert.same({ "done" }, exchange(s, client))
  end)

  it("can be cancelled at every step, and calls nonsense bad at every step", function()
    for _, case in ipairs { { "*", "canceled" }, { "!", "bad" }, { b64("nonsense"), "bad" } } do
      for at = 1, 3 do
        local s = session()
        s:answer_with(keys)
        local client = scram_client.new { user = "user", password = "pencil" }
        local steps, challenge = s:start("SCRAM-SHA-256")
        if at > 1 then steps, challenge = s:feed(b64(client.first)) end
        if at > 2 then steps = s:feed(b64(client.final(mail.base64_decode(challenge)))) end
        assert.same({ "challenge" }, steps)
        assert.same({ case[2] }, (s:feed(case[1])))
        assert.is_nil(s:facts().user)
      end
    end
  end)

  it("binds to the channel with -PLUS", function()
    local s = session { hooks = { "secret" }, tls = true, binding = { ["tls-exporter"] = ("k"):rep(32) } }
    s:answer_with(keys)
    assert.equal("SCRAM-SHA-256-PLUS SCRAM-SHA-256", s:offered("SCRAM-SHA-256 SCRAM-SHA-256-PLUS"))
    local function client(gs2, binding)
      return scram_client.new { user = "user", password = "pencil", gs2 = gs2, binding = binding }
    end
    assert.same({ "done" }, exchange(s, client("p=tls-exporter,,", ("k"):rep(32)), "SCRAM-SHA-256-PLUS"))
    assert.same({ "refused" }, exchange(s, client("p=tls-exporter,,", ("q"):rep(32)), "SCRAM-SHA-256-PLUS"))
    assert.equal("Authentication failed: channel-bindings-dont-match", s:facts().text)
    -- no such data here: refused, not skipped
    assert.same({ "refused" }, exchange(s, client("p=tls-server-end-point,,", ""), "SCRAM-SHA-256-PLUS"))
    -- somebody took -PLUS out of our list
    assert.same({ "refused" }, exchange(s, client("y,,", "")))
    assert.equal("Authentication failed: server-does-support-channel-binding", s:facts().text)
    assert.same({ "done" }, exchange(s, client("n,,", "")))
  end)
end)

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
