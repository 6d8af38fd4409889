-- RSET, NOOP, QUIT, VRFY, EXPN, HELP.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

describe("RSET and QUIT", function()
  it("take no arguments", function()
    assert.equal("501 501", codes(smtp.peer():hello():say("RSET x", "QUIT x")))
  end)

  it("work in every state, QUIT in the middle of a mail stores nothing", function()
    local peer = smtp.peer():hello()
    peer:say("MAIL FROM:<>", "RCPT TO:<bob@example.test>")
    assert.equal("221 2.0.0 mail.example.test Good-bye\r\n", peer:say "QUIT")
    assert.equal("close", peer.session:wants())
    assert.equal(0, #peer.mails)
  end)
end)

describe("NOOP", function()
  it("does nothing, with any argument, also in the middle of a mail", function()
    local peer = smtp.peer():hello()
    peer:say("MAIL FROM:<>", "RCPT TO:<bob@example.test>")
    assert.equal("250 250 354", codes(peer:say("NOOP", "NOOP <anything at all>", "DATA")))
  end)
end)

describe("VRFY", function()
  it("tells nothing unless it is switched on: 252", function()
    assert.matches("^252 2%.1%.5 ", smtp.peer():hello():say "VRFY bob@example.test")
    assert.matches("^252 2%.1%.5 ", smtp.peer():hello():say "VRFY nobody@example.test")
    assert.matches("^501 5%.5%.4 ", smtp.peer():hello():say "VRFY")
  end)

  it("asks the directory where it is switched on", function()
    local peer = smtp.peer { vrfy = true }:hello()
    assert.equal("250 2.1.5 <bob@example.test>\r\n", peer:say "VRFY bob@example.test")
    assert.equal("250 2.1.5 <bob@example.test>\r\n", peer:say "VRFY <bob@example.test>")
    assert.matches("^550 5%.1%.1 ", peer:say "VRFY nobody@example.test")
    assert.matches("^550 5%.1%.1 ", peer:say "VRFY x@elsewhere.example")
    assert.matches("^501 5%.1%.3 ", peer:say "VRFY Bob Smith")
    assert.matches("^501 5%.1%.3 ", peer:say "VRFY пётр@example.test")
    assert.matches("^550 5%.1%.1 ", peer:say "VRFY пётр@example.test SMTPUTF8")
  end)

  it("leaves the mail alone that was begun", function()
    local peer = smtp.peer { vrfy = true }:hello()
    peer:say("MAIL FROM:<>", "RCPT TO:<bob@example.test>")
    assert.equal("250 354", codes(peer:say("VRFY alice@example.test", "DATA")))
  end)
end)

describe("EXPN", function()
  it("tells nothing unless it is switched on: 550", function()
    assert.matches("^550 5%.7%.2 ", smtp.peer():hello():say "EXPN staff@example.test")
  end)

  it("lists where an alias leads where it is switched on", function()
    local peer = smtp.peer { vrfy = true, policy = function(q)
      if q.hook ~= "accept_recipient" then return nil end
      if q.localpart == "staff" then
        return { kind = "accept", targets = { "alice@example.test", "bob@example.test" } }
      end
      if q.localpart == "void" then return { kind = "discard" } end
      if q.localpart == "odd" then return { kind = "accept" } end
      return { kind = "reject", status = "5.1.1", text = "No such user here" }
    end }:hello()
    assert.equal("250-2.1.5 <alice@example.test>\r\n250 2.1.5 <bob@example.test>\r\n", peer:say "EXPN staff@example.test")
    assert.matches("^550 5%.1%.1 No such", peer:say "EXPN x@example.test")
    assert.matches("^252 2%.1%.5 ", peer:say "EXPN void@example.test")
    assert.matches("^550 5%.1%.1 ", peer:say "EXPN odd@example.test")
  end)
end)

describe("HELP", function()
  it("lists every command with its place in the RFCs", function()
    local reply = smtp.peer():hello():say "HELP"
    for _, verb in ipairs { "HELO", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP",
      "STARTTLS", "AUTH" } do
      assert.matches("\n214%-2%.0%.0 " .. verb .. " +[^\r]*%(RFC %d+", reply)
    end
    assert.is_nil(reply:find "XCLIENT")
    assert.matches("\n214 2%.0%.0 ", reply)
  end)

  it("explains one command", function()
    local peer = smtp.peer():hello()
    assert.matches("^214%-2%.0%.0 RCPT TO:<address>\r\n214 2%.0%.0 ", peer:say "help rcpt")
    assert.matches("^504 5%.5%.4 ", peer:say "HELP FOO")
    assert.matches("^504 5%.5%.4 ", peer:say "HELP XCLIENT")
    assert.matches("^214", smtp.peer { trusted = true }:hello():say "HELP XCLIENT")
  end)
end)
