-- The only door to the client.
local smtp = require "spec.support.smtp"

local function refused_with(text, mail)
  local peer = smtp.peer { policy = function(q)
    if q.hook == "accept_recipient" then return { kind = "reject", status = "5.7.1", text = text } end
  end }:hello()
  peer:say(mail or "MAIL FROM:<>")
  return peer:say "RCPT TO:<bob@example.test>", peer
end

describe("a reply", function()
  it("has an enhanced status code, but for the greeting, HELO, EHLO, 334 and 354", function()
    local peer = smtp.peer { tls = true }
    local all = peer.session:take() .. peer:say("HELO x", "EHLO x", "AUTH PLAIN", "*", "FOO", "EHLO", "NOOP", "HELP", "VRFY x",
      "EXPN x", "STARTTLS", "MAIL FROM:<>", "RCPT TO:<>", "RCPT TO:<no@example.test>", "DATA", "RCPT TO:<bob@example.test>",
      "DATA", "a: b", ".", "RSET", "QUIT")
    local ehlo = false
    for line in all:gmatch "([^\r]*)\r\n" do
      if line == "250-mail.example.test greets x" or line == "250 mail.example.test" then ehlo = line:sub(4, 4) == "-"
      elseif not ehlo and not line:find "^220 mail" and not line:find "^3[35]4 " then
        assert.matches("^%d%d%d[ %-][245]%.%d%.%d ", line)
        assert.equal(line:sub(1, 1), line:sub(5, 5))
      end
      if line == "250 HELP" then ehlo = false end
    end
  end)

  it("is one line of at most 512 octets, whatever a plugin says (RFC 5321, 4.5.3.1.5)", function()
    local reply = refused_with(("long "):rep(200))
    assert.is_true(#reply <= 512)
    assert.matches("\r\n$", reply)
    assert.equal(1, select(2, reply:gsub("\r\n", "")))
  end)

  it("cannot be split by a plugin's text", function()
    assert.equal("550 5.7.1 a??250 b\r\n", (refused_with("a\r\n250 b")))
  end)

  it("is ASCII unless the mail has SMTPUTF8 (RFC 6531, 3.7.4.2)", function()
    assert.equal("550 5.7.1 Recipient refused\r\n", (refused_with("Нет такого")))
    assert.equal("550 5.7.1 Нет такого\r\n", (refused_with("Нет такого", "MAIL FROM:<> SMTPUTF8")))
  end)

  it("tells the transcript who decided", function()
    local _, peer = refused_with "No"
    local last = peer.events[#peer.events]
    assert.same({ "reply", "550 5.7.1 No", "core" }, { last.kind, last.line, last.by })
  end)

  it("is the last one after 421 and 221", function()
    local peer = smtp.peer():hello()
    assert.equal("221", smtp.codes(peer:say("QUIT", "NOOP")))
    assert.equal("close", peer.session:wants())
    peer.session:timed_out()
    peer.session:end_()
    assert.equal("", peer.session:take())
  end)
end)

describe("rewrite_reply", function()
  ---A peer whose policy gives what fn(reply) returns in place of the text.
  local function server(fn, options)
    options = options or {}
    options.policy = function(q)
      if q.hook == "rewrite_reply" then
        local text = fn(q)
        return text and { kind = "none", rewrite = text }
      end
      return smtp.policy(q)
    end
    return smtp.peer(options)
  end

  it("changes the text, never code and status", function()
    local peer = server(function(r) return ("%s/%s/%s"):format(r.code, r.status, r.text:upper()) end)
    assert.equal("220 mail.example.test ESMTP\r\n", peer.session:take())
    local greeting = peer:say "EHLO client.example"
    assert.is_nil(greeting:find "250/")
    assert.equal("250 2.1.0 250/2.1.0/OK\r\n550 5.1.1 550/5.1.1/NO SUCH USER HERE\r\n" ..
      "503 5.5.1 503/5.5.1/NOT WHILE A MAIL IS BEGUN; RSET OR END IT FIRST\r\n",
      peer:say("MAIL FROM:<a@b.test>", "RCPT TO:<x@example.test>", "MAIL FROM:<>"))
    assert.equal("221 2.0.0 221/2.0.0/MAIL.EXAMPLE.TEST GOOD-BYE\r\n", peer:say "QUIT")
    assert.equal("close", peer.session:wants())
  end)

  it("is what the transcript shows", function()
    local peer = server(function() return "x" end):hello()
    peer:say "NOOP"
    assert.equal("250 2.0.0 x", peer.events[#peer.events].line)
  end)

  it("may take its time, with the message, STARTTLS and the end of the session behind it", function()
    local options = { tls_available = true, policy = function(q)
      return q.hook == "rewrite_reply" and "later" or smtp.policy(q)
    end }
    local peer = smtp.peer(options)
    peer.session:take()
    peer.session:feed "EHLO x\r\nNOOP\r\nSTARTTLS\r\n"
    peer.session:take()
    peer.session:answer(nil)
    assert.equal("250 2.0.0 Ok\r\n", peer.session:take())
    assert.equal("wait", peer.session:wants())
    peer.session:answer { kind = "none", rewrite = "go" }
    assert.equal("220 2.0.0 go\r\n", peer.session:take())
    assert.equal("tls", peer.session:wants())
    peer:start_tls()
    peer.session:timed_out()
    assert.equal("wait", peer.session:wants())
    peer.session:answer(nil)
    assert.matches("^421 ", peer.session:take())
    assert.equal("close", peer.session:wants())
  end)

  it("is dropped with the session", function()
    local peer = smtp.peer { policy = function(q) return q.hook == "rewrite_reply" and "later" or smtp.policy(q) end }
    peer:say("EHLO x", "NOOP")
    assert.equal(1, peer.session:close())
  end)
end)

describe("a line that is too long, with rewrite_reply", function()
  it("does not stop what is pipelined behind it", function()
    local peer = smtp.peer { max_command_octets = 64, policy = function(q)
      return q.hook == "rewrite_reply" and { kind = "none", rewrite = "x" } or smtp.policy(q)
    end }:hello()
    peer.session:feed(("y"):rep(100) .. "\r\nNOOP\r\n")
    assert.equal("500 5.5.2 x\r\n250 2.0.0 x\r\n", peer.session:take())
  end)
end)

describe("a delay by rewrite_reply", function()
  it("holds the reply, and the question is asked once", function()
    local asked = 0
    local peer = smtp.peer { policy = function(q)
      if q.hook ~= "rewrite_reply" then return smtp.policy(q) end
      asked = asked + 1
      return { kind = "none", delay_ms = 300, rewrite = "slowly" }
    end }
    peer:say "EHLO x"
    assert.equal("", peer:say "NOOP")
    assert.equal(300, (peer.session:timers()))
    assert.equal("250 2.0.0 slowly\r\n", peer:receive())
    assert.equal(1, asked)
  end)
end)
