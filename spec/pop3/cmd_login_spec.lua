local pop3 = require "spec.support.pop3"
local base = require "spec.support.bind"("base")
local mail = require "spec.support.bind"("mail")

local function base64(text) return (mail.base64_encode(text)) end

local welcome = "+OK kcope's maildrop has 0 messages (0 octets)\r\n"

---A policy that answers auth with this.
local function policy(answer)
  return function(question)
    if question.hook == "auth" then
      if type(answer) == "function" then return answer(question) end
      return answer
    end
  end
end

describe("USER and PASS", function()
  it("ask auth for the name and the password, and open the mailbox of the identity", function()
    local asked
    local s = pop3.new { policy = policy(function(q)
      asked = q
      return { kind = "accept", user = "kcope@example.test", mailbox = "box 7" }
    end) }
    s:read_all()
    assert.equal("+OK\r\n" .. welcome, s:say("USER kcope", "PASS secret"))
    assert.same({ "kcope", "secret", "USER" }, { asked.user, asked.password, asked.mechanism })
    assert.same({ "box 7" }, s.options.opened)
    assert.equal("kcope@example.test", s:user())
  end)

  it("add the default domain to a name without one", function()
    local names = {}
    local options = {
      settings = { default_domain = "example.test" },
      policy = policy(function(q)
        names[#names + 1] = q.user
        return { kind = "reject" }
      end),
    }
    local s = pop3.new(options)
    s:say("USER kcope", "PASS x", "USER kcope@example.org", "PASS x")
    assert.same({ "kcope@example.test", "kcope@example.org" }, names)
  end)

  it("greet with the name as it was typed", function()
    local s = pop3.new { policy = policy { kind = "accept", user = "other" },
      settings = { default_domain = "example.test" } }
    assert.matches("KCope's maildrop has", s:login("KCope"))
  end)

  it("take a password with spaces in front, inside and behind", function()
    local password
    local s = pop3.new { policy = policy(function(q) password = q.password end) }
    s:say("USER kcope", "PASS  two words ")
    assert.equal(" two words ", password)
  end)

  it("take UTF-8 names and passwords", function()
    local asked
    local s = pop3.new { policy = policy(function(q)
      asked = q
      return { kind = "accept", user = q.user }
    end) }
    s:read_all()
    assert.equal("+OK\r\n+OK маша's maildrop has 0 messages (0 octets)\r\n",
      s:say("USER маша", "PASS пароль"))
    assert.same({ "маша", "пароль" }, { asked.user, asked.password })
  end)

  it("want USER first, and again after a refusal", function()
    local s = pop3.new()
    s:read_all()
    assert.equal("-ERR USER must come first\r\n", s:say("PASS secret"))
    s:say("USER kcope", "PASS wrong")
    assert.equal("-ERR USER must come first\r\n", s:say("PASS secret"))
    assert.equal("+OK\r\n" .. welcome, s:say("USER kcope", "PASS secret"))
  end)

  it("take the last USER", function()
    local s = pop3.new()
    s:read_all()
    assert.equal("+OK\r\n+OK\r\n" .. welcome, s:say("USER other", "USER kcope", "PASS secret"))
  end)

  it("need TLS, unless the configuration allows plain text", function()
    local stls = "-ERR [AUTH] no passwords in clear here, use STLS first\r\n"
    local function user(options, settings)
      options.settings = settings
      local s = pop3.new(options)
      s:read_all()
      return s:say("USER kcope")
    end
    assert.equal(stls, user({ loopback = false, tls_available = true }))
    assert.equal("-ERR [AUTH] no passwords in clear here\r\n", user { loopback = false })
    assert.equal(stls, user({ tls_available = true }, { auth_without_tls_on_loopback = false }))
    assert.equal("+OK\r\n", user { loopback = true, tls_available = true })
    assert.equal("+OK\r\n", user { loopback = false, tls = true })
    assert.equal("+OK\r\n", user({ loopback = false }, { auth_without_tls = true }))
  end)

  it("do not even ask about a PASS in clear", function()
    local s = pop3.new { loopback = false, policy = function() error("asked") end }
    s:read_all()
    assert.matches("^%-ERR %[AUTH%]", s:say("PASS secret"))
  end)
end)

describe("a login that policy refuses", function()
  local function refused(verdict, settings)
    local s = pop3.new { policy = policy(verdict), settings = settings }
    s:read_all()
    return s:say("USER kcope", "PASS x"):gsub("^%+OK\r\n", ""), s
  end

  it("says why, with the response code that fits", function()
    assert.equal("-ERR [AUTH] Authentication failed\r\n", (refused { kind = "reject" }))
    assert.equal("-ERR [AUTH] Authentication failed\r\n", (refused(nil)))
    assert.equal("-ERR [AUTH] no\r\n", (refused { kind = "reject", text = "no" }))
    assert.equal("-ERR [AUTH] no\r\n", (refused { kind = "reject", status = "5.7.13", text = "no" }))
    assert.equal("-ERR [SYS/PERM] moved\r\n", (refused { kind = "reject", status = "5.2.1", text = "moved" }))
    assert.equal("-ERR [SYS/TEMP] later\r\n", (refused { kind = "tempfail", text = "later" }))
  end)

  it("says a text that is not ASCII only to a client that agreed to UTF-8", function()
    local verdict = { kind = "reject", text = "нет", by = "plugin" }
    assert.equal("-ERR [AUTH] wrong name or password\r\n", (refused(verdict)))
    for _, agreement in ipairs { "UTF8", "LANG en", "LANG ru" } do
      local s = pop3.new { policy = policy(verdict) }
      s:say(agreement, "USER kcope")
      s:read_all()
      assert.equal("-ERR [AUTH] нет\r\n", s:say("PASS x"))
    end
  end)

  it("closes when the verdict says so", function()
    local reply, s = refused { kind = "disconnect", text = "go away" }
    assert.equal("-ERR [AUTH] go away\r\n", reply)
    assert.equal("close", s:wants())
  end)

  it("answers after auth_failure_delay, or the verdict's delay if that is longer", function()
    for delay, expected in pairs { [0] = 2000, [5000] = 5000 } do
      local reply, s = refused({ kind = "reject", delay = delay }, { auth_failure_delay_ms = 2000 })
      assert.equal("", reply)
      assert.same({ "wait", expected }, { s:wants(), s:delay() })
      s:delayed()
      assert.equal("-ERR [AUTH] Authentication failed\r\n", s:read_all())
      assert.equal("read", s:wants())
    end
  end)

  it("reads nothing during the delay", function()
    local _, s = refused({ kind = "reject" }, { auth_failure_delay_ms = 2000 })
    assert.equal("", s:say("CAPA"))
    assert.equal(6, s:unread())
  end)

  it("does not delay a temporary failure, nor count it", function()
    local s = pop3.new {
      policy = policy { kind = "tempfail" },
      settings = { auth_failure_delay_ms = 2000, max_auth_failures = 2 },
    }
    for _ = 1, 5 do s:say("USER kcope", "PASS x") end
    assert.equal("read", s:wants())
  end)

  it("closes the session after max_auth_failures", function()
    local s = pop3.new { settings = { max_auth_failures = 3 } }
    s:read_all()
    for _ = 1, 2 do
      assert.equal("+OK\r\n-ERR [AUTH] Authentication failed\r\n", s:say("USER kcope", "PASS wrong"))
    end
    assert.equal("-ERR [AUTH] too many failed logins, closing\r\n",
      s:say("AUTH PLAIN " .. base64("\0kcope\0wrong"), "NOOP"))
    assert.equal("close", s:wants())
  end)

  it("is answered late as well", function()
    local s = pop3.new { policy = function() return "later" end }
    s:login()
    assert.equal("auth", s:pending())
    s:answer { kind = "reject" }
    assert.equal("-ERR [AUTH] Authentication failed\r\n", s:read_all())
    assert.equal(1, s:numbers().changes)
  end)

  it("by accept_login leaves nobody signed in", function()
    local s = pop3.new { hooks = { "accept_login" }, policy = function(q)
      if q.hook == "accept_login" then return { kind = "reject", text = "not by POP3" } end
      return { kind = "accept", user = q.user }
    end }
    s:read_all()
    assert.equal("+OK\r\n-ERR [AUTH] not by POP3\r\n", s:say("USER kcope", "PASS x"))
    assert.is_nil(s:user())
    assert.equal(0, s:numbers().opened)
  end)
end)

describe("the maildrop behind a login", function()
  local function open(options)
    local s = pop3.new(options)
    return s:login():gsub("^%+OK\r\n", ""), s
  end

  it("may be in use by another session", function()
    local reply, s = open { open = "BUSY" }
    assert.equal("-ERR [IN-USE] maildrop is locked by another session\r\n", reply)
    assert.is_nil(s:user())
    s.options.open = nil
    assert.equal("+OK\r\n" .. welcome, s:say("USER kcope", "PASS secret"))
  end)

  it("may be out of reach, for now or for good", function()
    for _, status in ipairs { "TEMPFAIL", "IO", "OVERLOAD", "CORRUPT" } do
      assert.equal("-ERR [SYS/TEMP] maildrop cannot be opened now, try again later\r\n",
        (open { open = status }))
    end
    for _, status in ipairs { "UNSUPPORTED", "DENIED" } do
      assert.equal("-ERR [SYS/PERM] there is no maildrop for you here\r\n", (open { open = status }))
    end
  end)

  it("may take its time", function()
    local reply, s = open { open_later = true }
    assert.equal("", reply)
    assert.equal("wait", s:wants())
    s:answer()
    assert.equal(welcome, s:read_all())
    assert.equal(1, s:numbers().changes)
  end)

  it("is closed again when the client comes earlier than login_delay allows", function()
    base.clock_fake(1000000 * 1000000)
    local settings = { login_delay_s = 60 }
    local reply, s = open { settings = settings, last_login = 1000000 - 59 }
    assert.equal("-ERR [LOGIN-DELAY] wait 60 seconds between logins\r\n", reply)
    assert.same({ 1, 1, 0 }, { s:numbers().opened, s:numbers().closed, s:numbers().login_time })
    assert.is_nil(s:user())
    assert.equal(welcome, (open { settings = settings, last_login = 1000000 - 60 }))
    assert.equal(welcome, (open { settings = settings, last_login = 0 }))
    assert.equal(welcome, (open { last_login = 1000000 }))
    base.clock_fake(0)
  end)

  it("remembers the time of a login when login_delay will ask for it", function()
    base.clock_fake(1000000 * 1000000)
    for delay, expected in pairs { [60] = 1000000, [0] = 0 } do
      local _, s = open { settings = { login_delay_s = delay } }
      s:say "QUIT"
      assert.same({ 1, expected }, { s:numbers().closed, s:numbers().login_time })
    end
    base.clock_fake(0)
  end)
end)

describe("APOP", function()
  local function session(options)
    options = options or {}
    options.settings = options.settings or { apop = true }
    local s = pop3.new(options)
    return s, s:read_all():match("<.*>")
  end

  it("lets in who knows the digest of timestamp and password", function()
    local s, timestamp = session()
    assert.equal(welcome, s:say("APOP kcope " .. base.md5(timestamp .. "secret")))
  end)

  it("refuses a wrong digest, and one of another session", function()
    local s, timestamp = session()
    assert.equal("-ERR [AUTH] Authentication failed\r\n",
      s:say("APOP kcope " .. base.md5(timestamp .. "wrong")))
    assert.equal("-ERR [AUTH] Authentication failed\r\n",
      session():say("APOP kcope " .. base.md5(timestamp .. "secret")))
  end)

  it("refuses what is no digest", function()
    assert.equal("-ERR the response breaks the mechanism's grammar\r\n", session():say("APOP kcope abc"))
  end)

  it("works in clear: no password passes", function()
    local s, timestamp = session { loopback = false }
    assert.equal(welcome, s:say("APOP kcope " .. base.md5(timestamp .. "secret")))
  end)

  it("is off unless configured", function()
    local s = session { settings = {} }
    assert.equal("-ERR APOP is not enabled here\r\n", s:say("APOP kcope " .. ("0"):rep(32)))
  end)
end)

describe("AUTH", function()
  local function session(names, options)
    options = options or {}
    options.settings = { auth_mechanisms = names or { "PLAIN", "LOGIN" } }
    local s = pop3.new(options)
    s:read_all()
    return s
  end

  it("without a mechanism lists those that are offered", function()
    assert.equal("+OK mechanism list follows\r\nPLAIN\r\nLOGIN\r\n.\r\n", session():say("AUTH"))
    assert.equal("+OK mechanism list follows\r\n.\r\n", session(nil, { loopback = false }):say("AUTH"))
  end)

  it("PLAIN works with and without an initial response", function()
    local response = base64("\0kcope\0secret")
    assert.equal(welcome, session():say("AUTH PLAIN " .. response))
    assert.equal(welcome, session():say("auth plain " .. response))
    assert.equal("+ \r\n" .. welcome, session():say("AUTH PLAIN", response))
    assert.equal("+ \r\n" .. welcome, session():say_slowly("AUTH PLAIN", response))
  end)

  it("LOGIN asks for name and password", function()
    assert.equal("+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n" .. welcome,
      session():say("AUTH LOGIN", base64("kcope"), base64("secret")))
  end)

  it("CRAM-MD5 asks for the secret, not the password", function()
    local s = session { "CRAM-MD5" }
    local challenge = mail.base64_decode(s:say("AUTH CRAM-MD5"):match("^%+ (.*)\r\n$"))
    assert.equal(welcome, s:say(base64("kcope " .. base.hmac_md5("secret", challenge))))
  end)

  it("is cancelled with an asterisk", function()
    local s = session()
    assert.equal("+ \r\n-ERR authentication cancelled\r\n+OK\r\n", s:say("AUTH PLAIN", "*", "USER a"))
  end)

  it("refuses what is no base64 or no message of the mechanism", function()
    local refusal = "-ERR the response breaks the mechanism's grammar\r\n"
    assert.equal(refusal, session():say("AUTH PLAIN ***"))
    assert.equal("+ \r\n" .. refusal, session():say("AUTH PLAIN", "nonsense"))
    assert.equal(refusal, session():say("AUTH PLAIN " .. base64("no zeros")))
    assert.equal(refusal, session():say("AUTH PLAIN ="))
  end)

  it("ends an exchange whose line is too long or has a bare LF", function()
    local s = session()
    s:say("AUTH PLAIN")
    assert.equal("-ERR line too long\r\n+OK\r\n", s:say(("A"):rep(13000), "USER kcope"))
    s:say("AUTH PLAIN")
    assert.equal("-ERR bare CR or LF, lines end with CRLF\r\n+OK\r\n", s:say("a\nb", "USER kcope"))
  end)

  it("answers the next exchange as if the broken one had not been", function()
    local s = session()
    s:say("AUTH PLAIN", ("A"):rep(13000), "AUTH PLAIN")
    assert.equal("-ERR authentication cancelled\r\n", s:say("*"))
  end)

  it("knows unknown mechanisms from those that are off or need TLS", function()
    local s = session({ "PLAIN" }, { loopback = false, tls_available = true })
    assert.equal("-ERR mechanism X-MAGIC is not known\r\n", s:say("AUTH X-MAGIC"))
    assert.equal("-ERR mechanism LOGIN is not available here\r\n", s:say("AUTH LOGIN"))
    assert.equal("-ERR [AUTH] no passwords in clear here, use STLS first\r\n", s:say("AUTH PLAIN"))
  end)

  it("refuses wrong credentials with [AUTH]", function()
    assert.equal("-ERR [AUTH] Authentication failed\r\n",
      session():say("AUTH PLAIN " .. base64("\0kcope\0wrong")))
  end)

  it("waits for late answers and goes on with what was pipelined", function()
    local s = session(nil, { policy = function() return "later" end })
    assert.equal("", s:say("AUTH PLAIN " .. base64("\0kcope\0secret"), "STAT"))
    s:answer { kind = "accept", user = "kcope" }
    assert.equal(welcome .. "+OK 0 0\r\n", s:read_all())
  end)

  it("forgets a USER that came before", function()
    local s = session()
    assert.equal("+OK\r\n-ERR [AUTH] Authentication failed\r\n-ERR USER must come first\r\n",
      s:say("USER kcope", "AUTH PLAIN " .. base64("\0kcope\0wrong"), "PASS secret"))
  end)
end)

describe("STLS", function()
  it("starts TLS where it is available and not active", function()
    local s = pop3.new { tls_available = true }
    s:read_all()
    assert.equal("+OK begin TLS negotiation\r\n", s:say("STLS"))
    assert.equal("tls", s:wants())
    s:tls_started()
    assert.equal("read", s:wants())
    assert.equal("-ERR TLS is active already\r\n", s:say("STLS"))
    assert.equal("-ERR TLS is not available here\r\n", pop3.new():say("STLS"):match("\n(.*)$"))
  end)

  it("drops what was pipelined behind it in clear", function()
    local s = pop3.new { tls_available = true }
    s:read_all()
    assert.equal("+OK begin TLS negotiation\r\n", s:say("STLS", "USER mallory", "PASS secret"))
    s:tls_started()
    assert.equal("", s:read_all())
    assert.equal("-ERR USER must come first\r\n", s:say("PASS secret"))
  end)

  it("forgets the name, UTF-8 mode and language of before", function()
    local s = pop3.new { tls_available = true, policy = policy { kind = "reject", text = "нет" } }
    s:say("USER kcope", "UTF8", "LANG ru", "STLS")
    s:read_all()
    s:tls_started()
    assert.equal("-ERR USER must come first\r\n", s:say("PASS secret"))
    assert.equal("+OK\r\n-ERR [AUTH] wrong name or password\r\n", s:say("USER kcope", "PASS x"))
  end)

  it("is seen by observers", function()
    local s = pop3.new { tls_available = true }
    s:say("STLS")
    s:tls_started()
    assert.same({ "tls TLSv1.3" }, s:seen("tls"))
  end)
end)
