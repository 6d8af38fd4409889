local pop3 = require "spec.support.pop3"

describe("every reply", function()
  it("reaches observers as the client reads it, without CRLF", function()
    local s = pop3.new { mailbox = { pop3.message(120) } }
    local lines = {}
    for line in (s:read_all() .. s:say("USER kcope", "PASS secret", "STAT", "DELE 7", "QUIT")):gmatch("([^\r]*)\r\n") do
      lines[#lines + 1] = "reply " .. line
    end
    assert.same(lines, s:seen("reply"))
  end)

  it("is one event when it has many lines", function()
    local s = pop3.new { mailbox = { pop3.message(120) } }
    s:login()
    s:say("LIST", "UIDL", "CAPA")
    local replies = s:seen("reply")
    assert.same({ "reply +OK 1 message (120 octets)", "reply +OK", "reply +OK capability list follows" },
      { table.unpack(replies, #replies - 2) })
  end)

  it("names the verdict that made it", function()
    local s = pop3.new { policy = function() return { kind = "reject", text = "no" } end }
    s:login()
    local last
    for _, event in ipairs(s:events()) do
      if event.kind == "reply" then last = event end
    end
    assert.same({ "-ERR [AUTH] no", "reject" }, { last.line, last.verdict })
  end)

  it("cannot be split by what a plugin says", function()
    local s = pop3.new { policy = function() return { kind = "reject", text = "a\r\n+OK b" } end }
    s:read_all()
    assert.equal("+OK\r\n-ERR [AUTH] a??+OK b\r\n", s:say("USER kcope", "PASS x"))
  end)
end)

describe("rewrite_reply", function()
  local function server(answer, settings)
    local s = pop3.new { mailbox = { pop3.message(120) }, hooks = { "rewrite_reply" }, settings = settings, policy = function(q)
      if q.hook == "rewrite_reply" then return answer(q) end
      return q.hook == "auth" and (q.password == "secret" and { kind = "accept", user = q.user } or { kind = "reject" }) or nil
    end }
    return s
  end
  local function shout(q) return { kind = "none", rewrite = ("%s/%s/%s"):format(q.code, q.status, q.text:upper()) } end

  it("changes words for people, never the status indicator, the response code or numbers", function()
    local s = server(shout)
    assert.equal("+OK mail.example.test POP3 server ready\r\n", s:read_all())
    assert.equal("-ERR [AUTH] -ERR/AUTH/AUTHENTICATION FAILED\r\n", s:say("USER x", "PASS wrong"):gsub("^%+OK\r\n", "") .. "")
    assert.equal("+OK\r\n+OK +OK//KCOPE'S MAILDROP HAS 1 MESSAGE (120 OCTETS)\r\n+OK 1 120\r\n+OK 1 120\r\n" ..
      "-ERR -ERR//UNKNOWN COMMAND\r\n+OK +OK//MESSAGE 1 DELETED\r\n",
      s:say("USER kcope", "PASS secret", "STAT", "LIST 1", "XYZZY", "DELE 1"))
    assert.equal("+OK +OK//MAIL.EXAMPLE.TEST POP3 SERVER SIGNING OFF (MAILDROP EMPTY)\r\n", s:say "QUIT")
    assert.equal("close", s:wants())
    assert.equal(1, #s.options.committed)
  end)

  it("may take its time, and ends with the session", function()
    local s = server(function() return "later" end)
    s:read_all()
    assert.equal("", s:say("XYZZY", "NOOP"))
    s:answer { kind = "none", rewrite = "eh?" }
    assert.equal("-ERR eh?\r\n", s:read_all():sub(1, 11))
    s:close()
  end)
end)

describe("a mistake of the client", function()
  it("is an event for observers, in English", function()
    local s = pop3.new { mailbox = { pop3.message(120) } }
    s:login()
    s:say("LANG ru", "XYZZY", "DELE 9")
    assert.same({ "error -ERR unknown command" }, s:seen "error")
  end)
end)

describe("a delay by rewrite_reply", function()
  it("holds the reply, and the question is asked once", function()
    local asked = 0
    local s = pop3.new { hooks = { "rewrite_reply" }, policy = function()
      asked = asked + 1
      return { kind = "none", delay = 300, rewrite = "slowly" }
    end }
    s:read_all()
    assert.equal("", s:say "XYZZY")
    assert.equal("wait", s:wants())
    s:delayed()
    assert.equal("-ERR slowly\r\n", s:read_all())
    assert.equal(1, asked)
  end)
end)
