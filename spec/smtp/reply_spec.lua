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
