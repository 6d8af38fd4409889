local base = require("spec.support.bind")("base")
local mail = require("spec.support.bind")("mail")
local sasl = require("spec.support.bind")("mail_sasl")
local scram_client = require("spec.support.scram_client")
local login = require("spec.support.bind")("hook_login")
local logins = require("spec.support.login_users")

local session, users, with_users = logins.session, logins.users, logins.with_users
local b64 = mail.base64_encode

after_each(logins.close_all)

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
    assert.same({ "accept", "2.7.0" }, { s:facts().kind, s:facts().status })
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
      salts[i] = first:match("s=([^,]*),i=10000$")
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
