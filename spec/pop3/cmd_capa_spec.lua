local pop3 = require "spec.support.pop3"

---Capabilities as a table: name -> arguments; and in order.
local function capa(s)
  local reply = s:say("CAPA")
  local set = {}
  assert.matches("^%+OK capability list follows\r\n.*\r\n%.\r\n$", reply)
  for line in reply:gsub("^[^\n]*\n", ""):gmatch("([^\r\n]+)\r\n") do
    if line ~= "." then
      local name, arguments = line:match("^(%S+) ?(.*)$")
      set[name] = arguments
    end
  end
  return set
end

local function session(options)
  local s = pop3.new(options)
  s:read_all()
  return s
end

describe("CAPA", function()
  it("announces in both states what is done in any of them", function()
    local s = session { settings = { auth_mechanisms = { "PLAIN" } } }
    local function check()
      local set = capa(s)
      for _, name in ipairs { "TOP", "UIDL", "USER", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "LANG" } do
        assert.equal("", set[name], name)
      end
      assert.equal("PLAIN", set.SASL)
      assert.equal("NEVER", set.EXPIRE)
      assert.equal("0", set["LOGIN-DELAY"])
      assert.equal("USER", set.UTF8)
      assert.matches("^moonpost%-%d+%.%d+", set.IMPLEMENTATION)
    end
    check()
    s:login()
    check()
  end)

  it("announces EXPIRE and LOGIN-DELAY as configured", function()
    local set = capa(session { settings = { expire_days = 30, login_delay_s = 600 } })
    assert.same({ "30", "600" }, { set.EXPIRE, set["LOGIN-DELAY"] })
    assert.equal("0", capa(session { settings = { expire_days = 0 } }).EXPIRE)
  end)

  it("announces STLS before login, where TLS is available and not active", function()
    local s = session { tls_available = true }
    assert.equal("", capa(s).STLS)
    s:login()
    assert.is_nil(capa(s).STLS)
    assert.is_nil(capa(session {}).STLS)
    assert.is_nil(capa(session { tls_available = true, tls = true }).STLS)
  end)

  it("announces USER and plain-text mechanisms only where they may be used", function()
    local settings = { auth_mechanisms = { "PLAIN", "LOGIN", "SCRAM-SHA-256" } }
    local clear = capa(session { loopback = false, settings = settings })
    assert.is_nil(clear.USER)
    assert.equal("SCRAM-SHA-256", clear.SASL)
    local private = capa(session { loopback = false, tls = true, settings = settings })
    assert.equal("", private.USER)
    assert.equal("SCRAM-SHA-256 PLAIN LOGIN", private.SASL)
  end)

  it("announces no SASL without a mechanism", function()
    assert.is_nil(capa(session { settings = { auth_mechanisms = {} } }).SASL)
  end)

  it("announces SCRAM with channel binding only when the channel has some", function()
    local function sasl(options)
      options.settings = { auth_mechanisms = { "SCRAM-SHA-256-PLUS" } }
      return capa(session(options)).SASL
    end
    assert.equal("SCRAM-SHA-256-PLUS", sasl { tls = true, channel_binding = true })
    assert.is_nil(sasl { tls = true })
  end)
end)

describe("UTF8", function()
  it("is for the AUTHORIZATION state", function()
    local s = session()
    assert.equal("+OK UTF-8 mode\r\n", s:say("UTF8"))
    s:login()
    assert.equal("-ERR UTF8 is not allowed in the TRANSACTION state\r\n", s:say("UTF8"))
  end)

  it("is forgotten when TLS starts", function()
    local s = session { tls_available = true, policy = function() return { kind = "reject", text = "не" } end }
    s:say("UTF8", "STLS")
    s:tls_started()
    assert.equal("+OK\r\n-ERR [AUTH] wrong name or password\r\n", s:say("USER a", "PASS b"))
  end)
end)

describe("LANG", function()
  local s
  before_each(function() s = session { mailbox = { "x" } } end)

  it("lists the languages in their own words", function()
    assert.equal("+OK language list follows\r\ni-default English\r\nen English\r\nru Русский\r\n.\r\n",
      s:say("LANG"))
  end)

  it("changes the texts of all replies and says the tag it chose", function()
    assert.equal("+OK ru язык изменён\r\n", s:say("LANG ru"))
    assert.equal("-ERR неизвестная команда\r\n", s:say("HELO"))
    assert.equal("+OK en language changed\r\n", s:say("LANG en"))
    assert.equal("-ERR unknown command\r\n", s:say("HELO"))
  end)

  it("takes a longer range, in any case, for the language it begins with", function()
    assert.matches("^%+OK ru ", s:say("LANG RU-ru"))
    assert.matches("^%+OK en ", s:say("LANG en-GB-oed"))
    assert.matches("^%+OK i%-default ", s:say("LANG i-default"))
  end)

  it("keeps the language when it does not know the other", function()
    assert.equal("-ERR language uga is not known\r\n", s:say("LANG uga"))
    assert.equal("-ERR language i is not known\r\n", s:say("LANG i"))
    s:say("LANG ru")
    assert.equal("-ERR язык uga неизвестен\r\n", s:say("LANG uga"))
  end)

  it("chooses the administrator's language with an asterisk", function()
    assert.equal("+OK en language changed\r\n", s:say("LANG *"))
    assert.equal("+OK ru язык изменён\r\n", session { settings = { language = "ru" } }:say("LANG *"))
  end)

  it("leaves the greeting and all texts before it in English", function()
    local t = pop3.new { settings = { language = "ru" } }
    assert.equal("+OK mail.example.test POP3 server ready\r\n", t:read_all())
    assert.equal("-ERR unknown command\r\n", t:say("HELO"))
  end)

  it("keeps the language through login", function()
    s:say("LANG ru")
    assert.equal("+OK\r\n+OK в почтовом ящике kcope 1 сообщение (1 октет)\r\n", s:login())
  end)

  it("keeps response codes", function()
    local t = session { open = "BUSY" }
    t:say("LANG ru")
    assert.equal("+OK\r\n-ERR [IN-USE] почтовый ящик занят другим сеансом\r\n", t:login())
  end)

  it("goes back to ASCII with i-default", function()
    local t = session { policy = function() return { kind = "reject", text = "нет" } end }
    t:say("LANG ru", "LANG i-default", "USER a")
    assert.equal("-ERR [AUTH] wrong name or password\r\n", t:say("PASS b"))
  end)
end)

describe("rewrite_capabilities", function()
  it("sees the rows and says what is left of them", function()
    local seen
    local s = pop3.new { hooks = { "rewrite_capabilities" }, policy = function(q)
      seen = q.text
      return { kind = "none", rewrite = "UIDL\nUSER\n" }
    end }
    s:read_all()
    assert.equal("+OK capability list follows\r\nUIDL\r\nUSER\r\n.\r\n+OK\r\n", s:say("CAPA", "USER x"))
    assert.matches("^TOP\nUIDL\nUSER\nSASL [^\n]*\n", seen)
    assert.matches("\nIMPLEMENTATION moonpost%-[^\n]*\n$", seen)
  end)
end)

describe("rewrite_greeting", function()
  it("changes the words, and the time stamp of APOP stays", function()
    local function greeting(settings)
      return pop3.new { settings = settings, hooks = { "rewrite_greeting" }, policy = function(q)
        return { kind = "none", rewrite = q.text .. ", hello" }
      end }:read_all()
    end
    assert.equal("+OK mail.example.test POP3 server ready, hello\r\n", greeting {})
    assert.equal("+OK the lab, hello\r\n", greeting { banner = "the lab" })
    assert.matches("^%+OK mail%.example%.test POP3 server ready, hello <[^ >]+@mail%.example%.test>\r\n$", greeting { apop = true })
  end)
end)
