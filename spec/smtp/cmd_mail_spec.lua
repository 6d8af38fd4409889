-- MAIL: the reverse-path and its parameters.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

local function mail(args, options)
  return smtp.peer(options):hello():say("MAIL FROM:" .. args)
end

describe("MAIL", function()
  it("takes every form of a reverse-path", function()
    for _, path in ipairs { "<>", "<a@example.test>", "<A.B+c@Example.TEST>", '<"a b"@example.test>',
      '<"a\\"b"@example.test>', "<a@[127.0.0.1]>", "<a@[IPv6:::1]>", "<@r.example:a@example.test>",
      "<a/b=c@example.test>", "<" .. ("x"):rep(64) .. "@example.test>" } do
      assert.equal("250 2.1.0 Ok\r\n", mail(path), path)
    end
  end)

  it("bears blanks behind the colon", function()
    for _, path in ipairs { " <a@example.test>", "   <>", "\t<>" } do
      assert.equal("250", codes(mail(path)), path)
    end
  end)

  it("refuses what is no path with 501 5.1.7", function()
    for _, path in ipairs { "", "a@example.test", "<a@example.test", "a@example.test>", "<a>", "<a@>", "<@example.test>",
      "<a b@example.test>", "<a@exa mple.test>", "<a..b@example.test>", "<.a@example.test>", "<a@example..test>",
      "<a@[1.2.3]>", "<a@-example.test>", '<"a@example.test>', "<postmaster>", "<a@example.test\r>", "< a@b.example>" } do
      local reply = mail(path)
      assert.truthy(reply:find("^501 5%.1%.7 ") or reply:find("^500 ") or reply:find("^501 5%.5%.4"), path .. ": " .. reply)
    end
  end)

  it("refuses local parts, domains and paths that are too long (RFC 5321, 4.5.3.1)", function()
    assert.matches("^501 5%.1%.7 Reverse%-path too long", mail("<" .. ("x"):rep(65) .. "@example.test>"))
    local domain = ("x"):rep(60) .. "." .. ("y"):rep(60) .. "." .. ("z"):rep(60) .. "." .. ("u"):rep(60) .. ".example"
    assert.matches("^501 5%.1%.7 Reverse%-path too long", mail("<a23456789@" .. domain .. ">"))
  end)

  it("takes SIZE, BODY, SMTPUTF8 and AUTH in any order and case", function()
    local seen
    local peer = smtp.peer { deliver = function(envelope) seen = envelope end }:hello()
    assert.equal("250", codes(peer:say "MAIL FROM:<a@example.test>  smtputf8 Body=8bitMIME auth=<> SIZE=500"))
    peer:say("RCPT TO:<bob@example.test>", "DATA", "Subject: x", "", ".")
    assert.same({ true, true, 500 }, { seen.smtputf8, seen.body_8bit, seen.size })
  end)

  it("takes each parameter once (RFC 5321, 4.1.2)", function()
    for _, name in ipairs { "SIZE=1", "BODY=7BIT", "SMTPUTF8", "AUTH=<>" } do
      assert.matches("^501 5%.5%.4 ", mail("<> " .. name .. " " .. name), name)
    end
  end)

  it("refuses values that make no sense with 501 5.5.4", function()
    for _, p in ipairs { "SIZE", "SIZE=", "SIZE=-1", "SIZE=1x", "SIZE=" .. ("1"):rep(21), "BODY=9BIT", "BODY", "SMTPUTF8=yes",
      "AUTH", "AUTH=a+zz", "=x", "BODY=8BITMIME=" } do
      assert.matches("^501 5%.5%.4 ", mail("<> " .. p), p)
    end
  end)

  it("refuses what was not announced with 555 5.5.4", function()
    for _, p in ipairs { "RET=FULL", "ENVID=x", "X", "BY=1" } do
      assert.matches("^555 5%.5%.4 ", mail("<> " .. p), p)
    end
  end)

  it("wants a blank between path and parameters", function()
    assert.matches("^501 5%.5%.4 ", mail "<a@example.test>SIZE=1")
  end)

  it("refuses a declared size above the limit with 552 5.3.4, however large", function()
    for _, size in ipairs { "1001", "99999999999999999999" } do
      assert.matches("^552 5%.3%.4 ", mail("<> SIZE=" .. size, { max_message_octets = 1000 }))
    end
    assert.equal("250", codes(mail("<> SIZE=1000", { max_message_octets = 1000 })))
  end)

  it("asks the store for room: 452 4.3.1 when it is full, 451 4.3.2 when it is too busy", function()
    local asked
    local full = { room = function(octets) asked = octets; return "NOSPACE" end }
    assert.matches("^452 4%.3%.1 ", mail("<> SIZE=4096", full))
    assert.equal(4096, asked)
    assert.matches("^451 4%.3%.2 ", mail("<>", { room = function() return "OVERLOAD" end }))
  end)

  it("wants SMTPUTF8 for an address that is not ASCII: 553 5.6.7", function()
    assert.matches("^553 5%.6%.7 ", mail "<алиса@example.test>")
    assert.matches("^553 5%.6%.7 ", mail "<a@пример.test>")
    assert.equal("250", codes(mail "<алиса@пример.test> SMTPUTF8"))
    assert.matches("^501 5%.1%.7 ", mail "<a\255b@example.test> SMTPUTF8")
  end)

  it("may come again after it was refused", function()
    local peer = smtp.peer():hello()
    assert.equal("501 555 250", codes(peer:say("MAIL FROM:<a", "MAIL FROM:<> X=1", "MAIL FROM:<>")))
  end)

  it("is limited by max_transactions: 421", function()
    local peer = smtp.peer { max_transactions = 2 }:hello()
    assert.equal("250 250 250 250 421",
      codes(peer:say("MAIL FROM:<>", "RSET", "MAIL FROM:<>", "RSET", "MAIL FROM:<>")))
    assert.equal("close", peer.session:wants())
  end)
end)

describe("accept_sender", function()
  local function judged(verdict)
    local peer = smtp.peer { policy = function(q)
      if q.hook == "accept_sender" then return verdict end
      return smtp.policy(q)
    end }:hello()
    return peer:say "MAIL FROM:<a@example.test>", peer
  end

  it("may refuse, and the next MAIL is heard", function()
    local reply, peer = judged { kind = "reject", text = "Not you" }
    assert.equal("550 5.7.1 Not you\r\n", reply)
    assert.equal("503 550", codes(peer:say("RCPT TO:<bob@example.test>", "MAIL FROM:<b@example.test>")))
  end)

  it("may refuse for now", function()
    assert.equal("450 4.7.1 Sender refused for now, try again later\r\n", (judged { kind = "tempfail" }))
  end)

  it("may have the whole mail thrown away, and the client is told nothing", function()
    local reply, peer = judged { kind = "discard" }
    assert.equal("250 2.1.0 Ok\r\n", reply)
    assert.matches("250 2%.0%.0 Ok: stored as %w+\r\n$",
      peer:say("RCPT TO:<bob@example.test>", "DATA", "Subject: x", "", "."))
    assert.equal(0, #peer.mails)
  end)
end)

describe("accept_sender", function()
  it("may put another address in the sender's place", function()
    for _, address in ipairs { "list-bounces@example.test", "" } do
      local peer = smtp.peer { policy = function(q)
        if q.hook == "accept_sender" then return { kind = "accept", address = address } end
        return smtp.policy(q)
      end }:hello():to_data()
      assert.matches("^250 ", peer:say("Subject: x", "", "."))
      assert.equal(address, peer.mails[1].envelope.sender)
      assert.equal(("Return-Path: <%s>\r\n"):format(address), (peer.mails[1].octets:match "^[^\n]*\n"))
    end
  end)
end)
