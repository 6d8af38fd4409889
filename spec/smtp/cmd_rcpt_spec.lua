-- RCPT: one forward-path, and what policy makes of it.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

local function server(options)
  local peer = smtp.peer(options):hello()
  peer:say "MAIL FROM:<a@example.test>"
  return peer
end

---A server whose accept_recipient gives that verdict to everybody.
local function judging(verdict, options)
  options = options or {}
  options.policy = function(q)
    if q.hook == "accept_recipient" then return verdict end
  end
  return server(options)
end

describe("RCPT", function()
  it("hands policy the address and its parts", function()
    local seen
    local peer = server { policy = function(q)
      if q.hook == "accept_recipient" then
        seen = q
        return { kind = "accept", targets = { "x" } }
      end
    end }
    peer:say "RCPT TO:<Bob.B+lists+a@EXAMPLE.Test>"
    assert.same({ "Bob.B+lists+a@example.test", "Bob.B", "lists+a", "example.test" },
      { seen.address, seen.localpart, seen.detail, seen.domain })
    peer:say 'RCPT TO:<@r.example:"bob \\"b\\""@[127.0.0.1]>'
    assert.same({ '"bob \\"b\\""@[127.0.0.1]', 'bob "b"', "", "[127.0.0.1]" },
      { seen.address, seen.localpart, seen.detail, seen.domain })
    peer:say "RCPT TO:<Postmaster>"
    assert.same({ "Postmaster", "Postmaster", "", "" }, { seen.address, seen.localpart, seen.detail, seen.domain })
  end)

  it("hands policy the size that MAIL declared", function()
    local size
    local peer = smtp.peer { policy = function(q) if q.hook == "accept_recipient" then size = q.size end end }:hello()
    peer:say("MAIL FROM:<> SIZE=777", "RCPT TO:<bob@example.test>")
    assert.equal(777, size)
  end)

  it("refuses what is no path with 501 5.1.3", function()
    for _, path in ipairs { "", "<>", "bob@example.test", "<bob>", "<bob@example.test", "<@r.example>", "<bob@@example.test>",
      "<bob@example.test> <alice@example.test>x" } do
      local reply = server():say("RCPT TO:" .. path)
      assert.truthy(reply:find("^501 5%.1%.3 ") or reply:find("^501 5%.5%.4") or reply:find("^555"), path .. reply)
    end
    assert.matches("^501 5%.1%.3 Forward%-path too long", server():say("RCPT TO:<" .. ("x"):rep(65) .. "@example.test>"))
  end)

  it("knows no parameters: 555 5.5.4 (DSN is not announced)", function()
    assert.matches("^555 5%.5%.4 ", server():say "RCPT TO:<bob@example.test> NOTIFY=NEVER")
    assert.matches("^501 5%.5%.4 ", server():say "RCPT TO:<bob@example.test>NOTIFY=NEVER")
  end)

  it("wants SMTPUTF8 with MAIL for an address that is not ASCII", function()
    assert.matches("^553 5%.6%.7 ", server():say "RCPT TO:<пётр@example.test>")
    local peer = smtp.peer():hello()
    assert.equal("250 550", codes(peer:say("MAIL FROM:<> SMTPUTF8", "RCPT TO:<пётр@example.test>")))
  end)

  it("is limited by max_recipients: 452 4.5.3, and those before get the mail", function()
    local peer = server { max_recipients = 3, policy = function(q)
      if q.hook == "accept_recipient" then return { kind = "accept", targets = { q.address } } end
    end }
    for i = 1, 3 do assert.equal("250", codes(peer:say(("RCPT TO:<u%d@example.test>"):format(i)))) end
    assert.matches("^452 4%.5%.3 ", peer:say "RCPT TO:<u4@example.test>")
    assert.equal("354 250", codes(peer:say("DATA", "Subject: x", "", ".")))
    assert.equal(3, #peer.mails[1].envelope.recipients)
  end)

  it("takes a thousand recipients, one body for all", function()
    local peer = server { policy = function(q)
      if q.hook == "accept_recipient" then return { kind = "accept", targets = { q.address } } end
    end }
    local group = {}
    for i = 1, 1000 do group[i] = ("RCPT TO:<u%d@example.test>"):format(i) end
    assert.equal(1000, select(2, peer:say(table.unpack(group)):gsub("250 2%.1%.5 Ok\r\n", "")))
    peer:say("DATA", "Subject: x", "", ".")
    assert.equal(1, #peer.mails)
    assert.equal(1000, #peer.mails[1].envelope.recipients)
  end)
end)

describe("accept_recipient", function()
  it("that says nothing is 550 5.7.1: no open relay by omission", function()
    assert.equal("550 5.7.1 Relaying denied\r\n", judging(nil):say "RCPT TO:<x@elsewhere.example>")
  end)

  it("that says nothing to a signed-in user is clear about what is missing", function()
    local peer = smtp.peer { tls = true }:hello()
    peer:say("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZQ==", "MAIL FROM:<alice@example.test>")
    assert.matches("^550 5%.7%.1 .*does not relay", peer:say "RCPT TO:<x@elsewhere.example>")
  end)

  it("that accepts without a mailbox is 451 4.3.0, never 250", function()
    assert.matches("^451 4%.3%.0 ", judging { kind = "accept" }:say "RCPT TO:<bob@example.test>")
  end)

  it("picks the reply code by its enhanced code", function()
    for status, code in pairs { ["5.1.1"] = 550, ["5.2.1"] = 550, ["5.2.2"] = 552, ["5.7.1"] = 550, ["5.6.7"] = 553 } do
      assert.equal(("%d %s Why\r\n"):format(code, status),
        judging { kind = "reject", status = status, text = "Why" }:say "RCPT TO:<bob@example.test>")
    end
    for status, code in pairs { ["4.2.1"] = 450, ["4.2.2"] = 452, ["4.7.1"] = 450, ["4.3.0"] = 451, ["4.3.1"] = 452 } do
      assert.equal(("%d %s Why\r\n"):format(code, status),
        judging { kind = "tempfail", status = status, text = "Why" }:say "RCPT TO:<bob@example.test>")
    end
  end)

  it("with an enhanced code of the wrong class gets the default", function()
    assert.equal("550 5.7.1 Why\r\n",
      judging { kind = "reject", status = "2.1.5", text = "Why" }:say "RCPT TO:<bob@example.test>")
    assert.equal("450 4.7.1 Why\r\n",
      judging { kind = "tempfail", status = "5.1.1", text = "Why" }:say "RCPT TO:<bob@example.test>")
  end)

  it("may end the session", function()
    local peer = judging { kind = "disconnect", text = "Enough" }
    assert.equal("421 4.7.1 Enough\r\n", peer:say("RCPT TO:<bob@example.test>", "NOOP"))
    assert.equal("close", peer.session:wants())
    peer = judging { kind = "disconnect", status = "5.7.1", text = "Enough" }
    assert.equal("550 5.7.1 Enough\r\n", peer:say("RCPT TO:<bob@example.test>", "NOOP"))
    assert.equal("close", peer.session:wants())
  end)

  it("may throw one recipient's copy away", function()
    local peer = server { policy = function(q)
      if q.hook ~= "accept_recipient" then return nil end
      if q.localpart == "void" then return { kind = "discard" } end
      return { kind = "accept", targets = { q.address } }
    end }
    peer:say("RCPT TO:<void@example.test>", "RCPT TO:<bob@example.test>", "DATA", "Subject: x", "", ".")
    local recipients = peer.mails[1].envelope.recipients
    assert.same({ true, false }, { recipients[1].discard, recipients[2].discard })
  end)

  it("may send one recipient to several mailboxes, each once", function()
    local peer = judging { kind = "accept", targets = { "alice", "bob", "alice" } }
    assert.equal("250 250", codes(peer:say("RCPT TO:<staff@example.test>", "RCPT TO:<all@example.test>")))
    peer:say("DATA", "Subject: x", "", ".")
    local names = {}
    for i, r in ipairs(peer.mails[1].envelope.recipients) do names[i] = r.mailbox end
    assert.same({ "alice", "bob" }, names)
  end)
end)
