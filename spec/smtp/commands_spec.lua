-- The table: which verb where, what stands before its work, what the transcript sees.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

local function lines(peer, kind)
  local list = {}
  for _, event in ipairs(peer.events) do
    if event.kind == kind then list[#list + 1] = event.line end
  end
  return list
end

describe("a command line", function()
  it("has a verb in any case", function()
    local peer = smtp.peer():hello()
    assert.equal("250 250 250", codes(peer:say("noop", "NoOp", "NOOP")))
  end)

  it("may end in blanks and tabs (RFC 5321, 4.1.1)", function()
    local peer = smtp.peer():hello()
    assert.equal("250 250", codes(peer:say("RSET  \t", "MAIL FROM:<a@example.test> \t ")))
  end)

  it("may have several blanks behind the verb", function()
    assert.equal("250", codes(smtp.peer():hello():say("MAIL   FROM:<a@example.test>")))
  end)

  it("does not begin with a blank", function()
    assert.equal("500", codes(smtp.peer():hello():say(" NOOP")))
  end)

  it("is not empty", function()
    assert.equal("500 500", codes(smtp.peer():hello():say("", "   ")))
  end)

  it("is refused with 500 when the verb is unknown, also a longer one that begins well", function()
    assert.equal("500 500 500", codes(smtp.peer():hello():say("FOO", "NOOPS", "MAILFROM:<a@b.example>")))
  end)

  it("is refused with 500 when it holds NUL or another control character", function()
    local peer = smtp.peer():hello()
    assert.matches("^500 5%.5%.2 ", peer:say("NOOP \0"))
    assert.matches("^500 5%.5%.2 ", peer:say("NOOP \27[2J"))
    assert.matches("^500 5%.5%.2 ", peer:say("NO\127OP"))
  end)

  it("gets 502 for verbs of old RFCs", function()
    assert.equal("502 502 502 502 502",
      codes(smtp.peer():hello():say("SEND FROM:<a@b.c>", "SOML", "SAML", "TURN", "ETRN x")))
  end)

  it("ends the session when it is a request of HTTP", function()
    local peer = smtp.peer():hello()
    assert.equal("421", codes(peer:say("GET / HTTP/1.1", "Host: x")))
    assert.equal("close", peer.session:wants())
  end)
end)

describe("the order of commands", function()
  it("lets HELP, NOOP, RSET, VRFY, EXPN and QUIT come before EHLO", function()
    assert.equal("214 250 250 252 550 221",
      codes(smtp.peer { vrfy = false }:say("HELP QUIT", "NOOP", "RSET", "VRFY a", "EXPN a", "QUIT"):gsub("^220[^\n]*\n", "")
        :gsub("214%-[^\n]*\n", "")))
  end)

  it("wants EHLO or HELO before MAIL and AUTH", function()
    local peer = smtp.peer { tls = true }
    peer.session:take()
    assert.equal("503 503", codes(peer:say("MAIL FROM:<>", "AUTH PLAIN =")))
  end)

  it("refuses what is out of place with 503 5.5.1", function()
    local peer = smtp.peer():hello()
    for _, line in ipairs { "RCPT TO:<bob@example.test>", "DATA" } do
      assert.matches("^503 5%.5%.1 ", peer:say(line))
    end
    peer:say "MAIL FROM:<>"
    assert.matches("^503 5%.5%.1 ", peer:say("MAIL FROM:<>"))
    assert.matches("^503 5%.5%.1 ", peer:say("AUTH PLAIN ="))
  end)
end)

describe("where TLS is required", function()
  it("only EHLO, NOOP, STARTTLS and QUIT are heard in clear (RFC 3207, 4)", function()
    local peer = smtp.peer { require_tls = true, tls_available = true }
    peer.session:take()
    peer:say "EHLO client.example"
    for _, line in ipairs { "MAIL FROM:<>", "RSET", "HELP", "VRFY x", "AUTH PLAIN =", "HELO x" } do
      assert.matches("^530 5%.7%.0 ", peer:say(line))
    end
    assert.equal("250 220", codes(peer:say("NOOP", "STARTTLS")))
  end)

  it("everything is heard under TLS", function()
    assert.equal("250", codes(smtp.peer { require_tls = true, tls = true }:hello():say "MAIL FROM:<>"))
  end)
end)

describe("where a login is required", function()
  it("mail and questions about addresses wait for it (RFC 4954, 6)", function()
    local peer = smtp.peer { require_auth = true, tls = true }:hello()
    for _, line in ipairs { "MAIL FROM:<>", "VRFY x", "EXPN x", "RCPT TO:<x@y.example>", "DATA" } do
      assert.matches("^530 5%.7%.0 ", peer:say(line))
    end
    assert.equal("250 250", codes(peer:say("NOOP", "RSET")))
  end)
end)

describe("the transcript", function()
  it("has every command and every reply, in order, with the state", function()
    local peer = smtp.peer():hello()
    peer:say("MAIL FROM:<alice@example.test>", "BOGUS")
    assert.same({ "EHLO client.example", "MAIL FROM:<alice@example.test>", "BOGUS" }, lines(peer, "command"))
    local replies = lines(peer, "reply")
    assert.equal("220 mail.example.test ESMTP", replies[1])
    assert.equal("250 2.1.0 Ok", replies[#replies - 1])
    assert.equal("MAIL", peer.events[#peer.events].state)
  end)

  it("shows no password, neither with AUTH nor behind it", function()
    local peer = smtp.peer { tls = true }:hello()
    local secret = "AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw=="
    peer:say("AUTH PLAIN " .. secret, "auth  plain  " .. secret, "AUTH " .. secret, "AUTH c2VjcmV0", "AUTH PLAIN=" .. secret)
    peer:say("AUTH LOGIN", "c2VjcmV0", "c2VjcmV0")
    for _, event in ipairs(peer.events) do
      assert.is_nil(event.line:find(secret, 1, true), event.line)
      assert.is_nil(event.line:find("c2VjcmV0", 1, true), event.line)
    end
  end)

  it("shows the mechanism, also one that we do not know", function()
    local peer = smtp.peer { tls = true }:hello()
    peer:say("AUTH PLAIN AGFsaWNl", "auth plain", "*", "AUTH GSSAPI", "AUTH c2VjcmV0", "AUTH")
    assert.same({ "EHLO client.example", "AUTH PLAIN ****", "auth plain", "*", "AUTH GSSAPI", "AUTH ****", "AUTH" },
      lines(peer, "command"))
  end)

  it("shows no password that is sent although AUTH was refused", function()
    local peer = smtp.peer():hello()
    peer:say("AUTH LOGIN", "c2VjcmV0", "cGFzc3dvcmQ=", "NOOP", "plainly wrong")
    assert.same({ "EHLO client.example", "AUTH LOGIN", "****", "****", "NOOP", "plainly wrong" },
      lines(peer, "command"))
  end)

  it("shows no login that XCLIENT names", function()
    local peer = smtp.peer { trusted = true }:hello()
    peer:say "XCLIENT LOGIN=alice@example.test"
    assert.equal("XCLIENT LOGIN ****", lines(peer, "command")[2])
  end)
end)

describe("limits on commands", function()
  it("end the session after max_errors bad commands", function()
    local peer = smtp.peer { max_errors = 3 }:hello()
    assert.equal("500 501 503 421", codes(peer:say("FOO", "EHLO", "DATA", "FOO", "NOOP")))
    assert.equal("close", peer.session:wants())
  end)

  it("do not count refusals of policy as bad commands", function()
    local peer = smtp.peer { max_errors = 3 }:hello()
    peer:say "MAIL FROM:<>"
    for _ = 1, 10 do assert.equal("550", codes(peer:say "RCPT TO:<nobody@example.test>")) end
  end)

  it("forget the errors when a mail was stored", function()
    local peer = smtp.peer { max_errors = 3 }:hello()
    for _ = 1, 5 do
      assert.equal("500 500", codes(peer:say("FOO", "FOO")))
      assert.matches("^250", peer:to_data():say("Subject: x", "", "."))
    end
  end)

  it("end the session after max_idle_commands without progress", function()
    for _, line in ipairs { "NOOP", "RSET", "HELP NOOP", "VRFY x", "EHLO x", "HELO x", "EXPN x",
      "DATA", "BDAT 0", "RCPT TO:<no@example.test>" } do
      local peer = smtp.peer { max_idle_commands = 4, max_errors = 0 }:hello()
      peer:say "MAIL FROM:<>"
      for _ = 1, 3 do peer:say(line) end
      assert.equal("read", peer.session:wants(), line)
      assert.equal("421", codes(peer:say(line)), line)
      assert.equal("close", peer.session:wants())
    end
  end)

  it("count RSET, but not the MAIL before it", function()
    local peer = smtp.peer { max_idle_commands = 5 }:hello()
    for _ = 1, 4 do assert.equal("250 250", codes(peer:say("MAIL FROM:<>", "RSET"))) end
    assert.equal("421", codes(peer:say("MAIL FROM:<>")))
  end)

  it("let the client say QUIT whatever it did before", function()
    local peer = smtp.peer { max_idle_commands = 2 }:hello()
    assert.equal("250 221", codes(peer:say("NOOP", "QUIT")))
  end)

  it("count a recipient, a chunk, a mail and a login as progress", function()
    local peer = smtp.peer { max_idle_commands = 4, tls = true }:hello()
    peer:say("NOOP", "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZQ==", "NOOP", "MAIL FROM:<>")
    for _ = 1, 4 do
      assert.equal("550 550 250", codes(peer:say("RCPT TO:<no@example.test>", "RCPT TO:<no@example.test>",
        "RCPT TO:<bob@example.test>")))
    end
    for _ = 1, 8 do
      peer.session:feed "BDAT 1\r\nx"
      assert.equal("250", codes(peer.session:take()))
    end
    assert.equal("250", codes(peer:say "BDAT 0 LAST"))
    assert.equal("250 250 250 250 421", codes(peer:say("NOOP", "NOOP", "NOOP", "NOOP", "NOOP")))
  end)

  it("can be switched off with 0", function()
    local peer = smtp.peer { max_idle_commands = 0, max_errors = 0 }:hello()
    for _ = 1, 300 do peer:say("NOOP", "FOO") end
    assert.equal("read", peer.session:wants())
  end)
end)

describe("accept_command", function()
  ---A peer whose policy hears of every command; answers: verb -> verdict.
  local function server(answers, options)
    options = options or {}
    local seen = {}
    options.policy = function(q)
      if q.hook == "accept_command" then
        seen[#seen + 1] = q.verb .. (q.arguments ~= "" and " " .. q.arguments or "")
        return answers[q.verb]
      end
      return smtp.policy(q)
    end
    local peer = smtp.peer(options)
    peer.session:take()
    return peer, seen
  end

  it("is asked for each command that may run, with its secrets masked, but not for QUIT", function()
    local peer, seen = server({}, { tls = true })
    peer:say("EHLO client.example", "auth plain AGJvYkBleGFtcGxlLnRlc3QAYm9i", "rcpt TO:<x>", "NONSENSE", "NOOP  hi there ",
      "MAIL FROM:<a@b.test> SIZE=5", "QUIT")
    assert.same({ "EHLO client.example", "AUTH plain ****", "NOOP hi there", "MAIL FROM:<a@b.test> SIZE=5" }, seen)
  end)

  it("may refuse, for good or for now, and the command does nothing", function()
    local peer = server { MAIL = { kind = "reject", status = "5.7.1", text = "Not you" }, NOOP = { kind = "tempfail" } }
    peer:say "EHLO client.example"
    assert.equal("550 5.7.1 Not you\r\n450 4.7.1 Command refused for now, try again later\r\n503 5.5.1 Say MAIL FROM first\r\n",
      peer:say("MAIL FROM:<a@b.test>", "NOOP", "RCPT TO:<bob@example.test>"))
  end)

  it("may end the session", function()
    local peer = server { VRFY = { kind = "disconnect", status = "5.7.0", text = "Enough" } }
    peer:say "EHLO client.example"
    assert.equal("550 5.7.0 Enough\r\n", peer:say "VRFY bob")
    assert.equal("close", peer.session:wants())
  end)

  it("reads the chunk of a BDAT that it refuses, and the message gets that answer", function()
    local peer = server { BDAT = { kind = "tempfail", text = "No chunks now" } }
    peer:say("EHLO client.example", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@example.test>")
    peer.session:feed "BDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n"
    assert.equal("450 4.7.1 No chunks now\r\n450 4.7.1 No chunks now\r\n250 2.0.0 Ok\r\n", peer.session:take())
    assert.equal(0, #peer.mails)
  end)

  it("may take its time; what is pipelined behind waits", function()
    local options = { policy = function(q) return q.hook == "accept_command" and q.verb == "MAIL" and "later" or smtp.policy(q) end }
    local peer = smtp.peer(options):hello()
    assert.equal("", peer:say("MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>"))
    peer.session:answer(nil)
    assert.equal("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n", peer.session:take())
    peer:say("RSET", "MAIL FROM:<alice@example.test>")
    assert.equal(1, peer.session:close())
  end)
end)
