-- One mail: the limits on its octets, the judgement at its end, delivery.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

---Send a message by DATA; its reply and the peer.
local function send(text, options, recipients)
  local peer = smtp.peer(options):hello()
  peer:say "MAIL FROM:<alice@example.test>"
  for _, name in ipairs(recipients or { "bob" }) do peer:say(("RCPT TO:<%s@example.test>"):format(name)) end
  assert.matches("^354 ", peer:say "DATA")
  peer.session:feed(text .. ".\r\n")
  return peer.session:take(), peer
end

local function received(count)
  return ("Received: from a by b; Sat, 21 Nov 2026 00:00:00 +0000\r\n"):rep(count)
end

describe("a message", function()
  it("may have max_message_octets, dots and trace fields not counted", function()
    local head = "a: b\r\n\r\n"
    local text = head .. ("."):rep(2) .. ("x"):rep(100 - #head - 3) .. "\r\n"
    assert.matches("^250", (send(text, { max_message_octets = 100 })))
    assert.matches("^552 5%.3%.4 ", (send(text, { max_message_octets = 99 })))
  end)

  it("that is too big is read to its end, and the session goes on", function()
    local reply, peer = send(("0123456789abcdef\r\n"):rep(10000), { max_message_octets = 1000 })
    assert.equal("552", codes(reply))
    assert.equal("250", codes(peer:say "MAIL FROM:<>"))
    assert.equal(0, #peer.mails)
  end)

  it("larger than memory goes through the spool unharmed", function()
    local lines = {}
    for i = 1, 20000 do lines[i] = ("line %d of a large message\r\n"):format(i) end
    local text = "Subject: large\r\n\r\n" .. table.concat(lines)
    local reply, peer = send(text)
    assert.matches("^250", reply)
    assert.is_true(peer:text() == text)
  end)

  it("that cannot be spooled is read to its end and refused for now", function()
    local text = "a: b\r\n\r\n" .. ("x"):rep(70000) .. "\r\n"
    smtp.log(false)
    local reply, peer = send(text, { spool = "/nonexistent/spool", max_text_line_octets = 0 })
    smtp.log(true)
    assert.matches("^451 4%.3%.0 ", reply)
    assert.equal("250", codes(peer:say "NOOP"))
    assert.matches("^250", (send("a: b\r\n", { spool = "/nonexistent/spool" })))
  end)

  it("may have lines of max_text_line_octets with their CRLF", function()
    local options = { max_text_line_octets = 1000 }
    assert.matches("^250", (send("a: b\r\n\r\n" .. ("x"):rep(998) .. "\r\n", options)))
    assert.matches("^554 5%.6%.0 ", (send("a: b\r\n\r\n" .. ("x"):rep(999) .. "\r\n", options)))
  end)

  it("may have lines of max_text_line_octets in chunks as well", function()
    for length, code in pairs { [998] = "250", [999] = "554" } do
      local peer = smtp.peer { max_text_line_octets = 1000 }:hello()
      peer:say("MAIL FROM:<>", "RCPT TO:<bob@example.test>")
      local text = "a: b\r\n\r\n" .. ("x"):rep(length) .. "\r\n"
      peer.session:feed(("BDAT 500\r\n%sBDAT %d LAST\r\n%s"):format(text:sub(1, 500), #text - 500, text:sub(501)))
      assert.equal("250 " .. code, codes(peer.session:take()))
    end
  end)

  it("may have dots where lines begin, in chunks, where they are octets like any other", function()
    local text = "a: b\r\n\r\n.\r\n..\r\n" .. ("."):rep(20)
    for limit, code in pairs { [22] = "250", [21] = "554" } do
      for cut = 1, #text - 1 do
        local peer = smtp.peer { max_text_line_octets = limit }:hello()
        peer:say("MAIL FROM:<>", "RCPT TO:<bob@example.test>")
        peer.session:feed(("BDAT %d\r\n%sBDAT %d LAST\r\n%s"):format(cut, text:sub(1, cut), #text - cut,
          text:sub(cut + 1)))
        assert.equal("250 " .. code, codes(peer.session:take()))
        if code == "250" then assert.equal(text .. "\r\n", peer:text()) end
      end
    end
  end)

  it("may have a header of max_header_octets", function()
    local header = "a: " .. ("b"):rep(95) .. "\r\n"
    assert.matches("^250", (send(header .. "\r\n" .. ("x"):rep(900) .. "\r\n", { max_header_octets = 102 })))
    assert.matches("^552 5%.3%.4 ", (send(header .. "\r\n", { max_header_octets = 101 })))
  end)

  it("with more than max_received Received fields is a loop: 554 5.4.6", function()
    assert.matches("^250", (send(received(100) .. "\r\n")))
    assert.matches("^554 5%.4%.6 ", (send(received(101) .. "\r\n")))
    assert.matches("^554 5%.4%.6 ", (send(received(5) .. "\r\n", { max_received = 4 })))
  end)

  it("may talk about Received in its body", function()
    assert.matches("^250", (send("a: b\r\n\r\n" .. received(200))))
  end)
end)

describe("accept_message", function()
  local function judged(verdict, seen)
    return send("Subject: x\r\n\r\ny\r\n", { policy = function(q)
      if q.hook == "accept_message" then
        if seen then seen.octets, seen.envelope = q.octets, q.envelope end
        return verdict
      end
      return smtp.policy(q)
    end })
  end

  it("sees envelope and octets", function()
    local seen = {}
    judged(nil, seen)
    assert.equal("alice@example.test", seen.envelope.sender)
    assert.matches("^Return%-Path: .*Subject: x\r\n\r\ny\r\n$", seen.octets)
  end)

  it("may refuse, now or for ever", function()
    assert.equal("550 5.7.1 Spam\r\n", (judged { kind = "reject", text = "Spam" }))
    assert.equal("451 4.7.1 Message refused for now, try again later\r\n", (judged { kind = "tempfail" }))
    local _, peer = judged { kind = "reject" }
    assert.equal(0, #peer.mails)
    assert.equal("250", codes(peer:say "MAIL FROM:<>"))
  end)

  it("may throw it away; the client hears what it always hears", function()
    local reply, peer = judged { kind = "discard" }
    assert.matches("^250 2%.0%.0 Ok: stored as %w+\r\n$", reply)
    assert.equal(0, #peer.mails)
  end)

  it("may end the session", function()
    local reply, peer = judged { kind = "disconnect" }
    assert.equal("421", codes(reply))
    assert.equal("close", peer.session:wants())
  end)
end)

describe("delivery", function()
  local failures = {
    QUOTA = "552 5.2.2 Mailbox full: <bob@example.test>", NOSPACE = "452 4.3.1 ", OVERLOAD = "451 4.3.2 ",
    TEMPFAIL = "451 4.3.0 ", IO = "451 4.3.0 ", CLOSED = "451 4.3.0 ", TIMEOUT = "451 4.3.0 ",
    CORRUPT = "451 4.3.0 ", NOTFOUND = "550 5.1.1 ", DENIED = "550 5.7.1 ", TOOBIG = "552 5.2.3 ",
    UNSUPPORTED = "451 4.3.5 ",
  }
  for status, reply in pairs(failures) do
    it("that fails with " .. status .. " is " .. reply, function()
      local got, peer = send("a: b\r\n", { deliver = function() return status end })
      assert.equal(reply, got:sub(1, #reply))
      assert.equal("250", codes(peer:say "MAIL FROM:<>"))
    end)
  end

  it("into a full mailbox is 452 4.2.2 where the configuration says so", function()
    assert.matches("^452 4%.2%.2 ",
      (send("a: b\r\n", { quota_tempfail = true, deliver = function() return "QUOTA" end })))
  end)

  it("is 250 only if every recipient has it; a permanent reason goes first", function()
    local function results(...)
      local list = { ... }
      return (send("a: b\r\n", { deliver = function() return list end }, { "alice", "bob" }))
    end
    assert.matches("^250", results("OK", "OK"))
    assert.matches("^552 5%.2%.2 .*<bob@example%.test>", results("OK", "QUOTA"))
    assert.matches("^451 4%.3%.0 .*<alice@example%.test>", results("TEMPFAIL", "OK"))
    assert.matches("^552 5%.2%.2 .*<bob@example%.test>", results("TEMPFAIL", "QUOTA"))
  end)

  it("is told to the transcript with the id and the size", function()
    local reply, peer = send("a: b\r\n\r\nc\r\n")
    local id = reply:match "stored as (%w+)"
    local seen = {}
    for _, e in ipairs(peer.events) do
      if e.kind == "data" or e.kind == "accepted" then seen[#seen + 1] = { e.kind, e.line, e.octets } end
    end
    assert.same({ { "data", id, 11 }, { "accepted", id, 11 } }, seen)
  end)
end)

describe("RSET", function()
  it("forgets envelope and parameters", function()
    local peer = smtp.peer():hello()
    peer:say("MAIL FROM:<a@example.test> SMTPUTF8", "RCPT TO:<alice@example.test>", "RSET")
    assert.equal("503", codes(peer:say "RCPT TO:<bob@example.test>"))
    peer:to_data():say("a: b", "", ".")
    assert.equal(1, #peer.mails[1].envelope.recipients)
    assert.is_false(peer.mails[1].envelope.smtputf8)
  end)
end)

describe("changes of the header by policy", function()
  local function server(verdict, options)
    options = options or {}
    options.policy = function(q)
      if q.hook == "accept_message" then return verdict end
      return smtp.policy(q)
    end
    return smtp.peer(options):hello():to_data()
  end

  it("are in what is delivered", function()
    local peer = server { kind = "none", add = "X-Checked:yes" }
    assert.matches("^250 ", peer:say("Subject: x", "", "..body", "."))
    assert.equal("Subject: x\r\nX-Checked: yes\r\n\r\n.body\r\n", peer:text())
    assert.matches("^Return%-Path: ", peer.mails[1].octets)
  end)

  it("are dropped with a message that is refused", function()
    local peer = server { kind = "reject", add = "X-Checked:yes" }
    assert.matches("^550 ", peer:say("Subject: x", "", "body", "."))
    assert.equal(0, #peer.mails)
  end)

  it("refuse the mail for now when they cannot be written", function()
    smtp.log(false)
    local peer = server({ kind = "none", add = "X-Long:" .. ("word "):rep(200) }, { spool = "/nonexistent" })
    for _ = 1, 4062 do peer:say "line of a body" end
    assert.matches("^451 4%.3%.0 ", peer:say ".")
    smtp.log(true)
    assert.equal("250 250", smtp.codes(peer:say("MAIL FROM:<>", "RCPT TO:<bob@example.test>")))
  end)
end)

describe("what observers see of a mail", function()
  local function seen(peer, kind)
    local list = {}
    for _, event in ipairs(peer.events) do
      if event.kind == kind then list[#list + 1] = event.line end
    end
    return list
  end

  it("is one event per mailbox that has it", function()
    local peer = smtp.peer { policy = function(q)
      if q.hook == "accept_delivery" and q.recipient == 1 then return { kind = "discard" } end
      return smtp.policy(q)
    end }:hello()
    peer:say("MAIL FROM:<>", "RCPT TO:<alice@example.test>", "RCPT TO:<bob@example.test>", "DATA")
    peer:say("Subject: x", "", ".")
    assert.same({ "bob@example.test" }, seen(peer, "stored"))
  end)

  it("are the client's mistakes, time-outs and failures", function()
    local peer = smtp.peer():hello()
    peer:say("XYZZY", "RCPT TO:<x>", "MAIL FROM:<a@b.test>", "RCPT TO:<nobody@example.test>")
    peer.session:timed_out()
    assert.same({ "500 5.5.1 Command not recognized; HELP lists them", "503 5.5.1 Say MAIL FROM first",
      "421 4.4.2 mail.example.test Timeout, closing" }, seen(peer, "error"))
  end)
end)
