-- The session as its host sees it: lines, waiting, time-outs, the end.
local base = require "spec.support.bind" ("base")
local smtp = require "spec.support.smtp"
local codes = smtp.codes

---A policy that answers one hook later and the rest as usual.
local function later(hook)
  return function(question)
    if question.hook == hook then return "later" end
    return smtp.policy(question)
  end
end

describe("the greeting", function()
  it("is 220 with our name", function()
    assert.equal("220 mail.example.test ESMTP\r\n", smtp.peer():receive())
  end)

  it("carries the banner of the configuration", function()
    assert.equal("220 mx.example ESMTP no spam please\r\n",
      smtp.peer { hostname = "mx.example", banner = "no spam please" }:receive())
  end)

  it("is 554 when policy rejects, and then only QUIT is heard (RFC 5321, 3.1)", function()
    local peer = smtp.peer { policy = function(q)
      if q.hook == "accept_connection" then return { kind = "reject", text = "Go away" } end
    end }
    assert.equal("554 5.7.0 Go away\r\n", peer:receive())
    assert.equal("503 503 503", codes(peer:say("EHLO x", "MAIL FROM:<>", "FOO")))
    assert.equal("221", codes(peer:say "QUIT"))
  end)

  it("is 421 and the end when policy says not now", function()
    local peer = smtp.peer { policy = function() return { kind = "tempfail" } end }
    assert.matches("^421 4%.7%.0 ", peer.session:take())
    assert.equal("close", peer.session:wants())
  end)

  it("waits for an answer that comes later, and so does what the client sent", function()
    local peer = smtp.peer { policy = later "accept_connection" }
    assert.equal("", peer.session:take())
    assert.equal("wait", peer.session:wants())
    peer.session:feed "EHLO x\r\nNOOP\r\n"
    assert.equal("", peer.session:take())
    peer.session:answer()
    assert.equal("220 250 250", codes(peer.session:take():gsub("250%-[^\n]*\n", "")))
  end)
end)

describe("lines", function()
  it("may come in pieces of any size", function()
    local peer = smtp.peer():hello()
    for c in ("NOOP\r\nRSET\r\n"):gmatch "." do peer.session:feed(c) end
    assert.equal("250 250", codes(peer.session:take()))
  end)

  it("may have exactly max_command_octets with their CRLF", function()
    local peer = smtp.peer { max_command_octets = 512 }:hello()
    assert.matches("^250", peer:say("NOOP " .. ("x"):rep(512 - 7)))
    assert.matches("^500 5%.5%.2 Line too long", peer:say("NOOP " .. ("x"):rep(512 - 6)))
  end)

  it("that are too long are refused once, and the next line is heard", function()
    local peer = smtp.peer { max_command_octets = 512 }:hello()
    for _, length in ipairs { 511, 512, 600, 1023, 1024, 1025, 100000 } do
      assert.equal("500 250", codes(peer:say(("x"):rep(length), "NOOP")), length)
    end
  end)

  it("that are too long are skipped octet by octet as well", function()
    local peer = smtp.peer { max_command_octets = 64 }:hello()
    for c in (("y"):rep(200) .. "\r\nNOOP\r\n"):gmatch "." do peer.session:feed(c) end
    assert.equal("500 250", codes(peer.session:take()))
  end)

  it("do not end in a bare LF, and that is told at once", function()
    local peer = smtp.peer():hello()
    peer.session:feed "NOOP\n"
    assert.matches("^500 5%.5%.2 ", peer.session:take())
    peer.session:feed "NOOP\nNOOP\n"
    assert.equal("", peer.session:take())
    peer.session:feed "\r\nNOOP\r\n"
    assert.equal("250", codes(peer.session:take()))
  end)

  it("do not end in a bare CR", function()
    local peer = smtp.peer():hello()
    assert.equal("500 250", codes(peer:say("NOOP\rQUIT", "NOOP")))
  end)
end)

describe("pipelining", function()
  it("answers a group in one go and in order", function()
    local peer = smtp.peer():hello()
    peer.session:feed("MAIL FROM:<a@example.test>\r\nRCPT TO:<no@example.test>\r\nRCPT TO:<bob@example.test>\r\n" ..
      "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\nRSET\r\nQUIT\r\nNOOP\r\n")
    assert.equal("250 550 250 354 250 250 221", codes(peer.session:take()))
  end)

  it("stops when nobody reads the replies, and goes on when somebody does", function()
    local peer = smtp.peer { max_idle_commands = 0 }:hello()
    local session = peer.session
    session:feed(("HELP\r\n"):rep(500))
    assert.equal("drain", session:wants())
    local first = session:take()
    assert.is_true(#first < 70000)
    local total = select(2, first:gsub("214 ", ""))
    while session:wants() == "drain" do
      session:drained()
      total = total + select(2, session:take():gsub("214 ", ""))
    end
    assert.equal(500, total)
  end)
end)

describe("an answer that comes later", function()
  for _, hook in ipairs { "accept_helo", "accept_sender", "accept_recipient", "accept_data", "accept_message" } do
    it("of " .. hook .. " holds the session and nothing is lost or reordered", function()
      local peer = smtp.peer { policy = later(hook) }
      local session = peer.session
      session:feed("EHLO x\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nhi: x\r\n.\r\nQUIT\r\n")
      assert.equal("wait", session:wants())
      local before = session:take()
      session:answer { kind = "accept", targets = { "bob@example.test" } }
      assert.equal("220 250 250 250 354 250 221", codes((before .. session:take()):gsub("250%-[^\n]*\n", "")))
      assert.equal(1, #peer.mails)
    end)

    it("of " .. hook .. " is not waited for when the session closes", function()
      local peer = smtp.peer { policy = later(hook) }
      peer.session:feed("EHLO x\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nhi: x\r\n.\r\nQUIT\r\n")
      assert.equal(1, peer.session:close())
    end)
  end

  it("of the store holds the reply, and closing cancels it", function()
    local peer = smtp.peer { deliver = function() return "later" end }:hello():to_data()
    assert.equal("", peer:say("Subject: x", "", "."))
    peer.session:delivered "OK"
    assert.matches("^250", peer.session:take())
    peer:to_data():say("Subject: x", "", ".")
    assert.equal(1, peer.session:close())
  end)
end)

describe("a verdict's delay", function()
  it("holds its reply and everything behind it", function()
    local peer = smtp.peer { policy = function(q)
      if q.hook == "accept_sender" then return { kind = "reject", delay_ms = 1500, text = "Slowly" } end
    end }:hello()
    assert.equal("", peer:say("MAIL FROM:<a@example.test>", "NOOP"))
    assert.equal("wait", peer.session:wants())
    assert.equal(1500, (peer.session:timers()))
    peer.session:delayed()
    assert.equal("550 250", codes(peer.session:take()))
    assert.equal(0, (peer.session:timers()))
  end)
end)

describe("time-outs", function()
  it("are those of RFC 5321, 4.5.3.2, and none while an answer is awaited", function()
    local peer = smtp.peer { command_timeout_ms = 300000, data_timeout_ms = 180000,
      deliver = function() return "later" end }:hello()
    assert.equal(300000, select(2, peer.session:timers()))
    peer:to_data()
    assert.equal(180000, select(2, peer.session:timers()))
    peer:say "."
    assert.equal(0, select(2, peer.session:timers()))
  end)

  it("are told with 421 4.4.2 and end the session", function()
    local peer = smtp.peer():hello()
    peer.session:timed_out()
    assert.matches("^421 4%.4%.2 ", peer.session:take())
    assert.equal("close", peer.session:wants())
  end)

  it("in the middle of a message store nothing", function()
    local peer = smtp.peer():hello():to_data()
    peer:say "Subject: x"
    peer.session:timed_out()
    assert.matches("^421 4%.4%.2 ", peer.session:take())
    assert.equal(0, #peer.mails)
  end)

  it("hit a line that comes octet by octet for ever", function()
    base.clock_fake(1000000000000)
    local peer = smtp.peer { command_timeout_ms = 60000 }:hello()
    peer.session:feed "N"
    base.clock_fake(1000000000000 + 59 * 1000000)
    peer.session:feed "O"
    assert.equal("read", peer.session:wants())
    base.clock_fake(1000000000000 + 61 * 1000000)
    peer.session:feed "O"
    base.clock_fake(0)
    assert.matches("^421 4%.4%.2 ", peer.session:take())
  end)
end)

describe("the end of the server", function()
  it("is told with 421 4.3.2 between commands", function()
    local peer = smtp.peer():hello()
    peer.session:end_()
    assert.matches("^421 4%.3%.2 ", peer.session:take())
    assert.equal("close", peer.session:wants())
  end)

  it("waits for the message that is coming in", function()
    local peer = smtp.peer():hello():to_data()
    peer.session:end_()
    assert.equal("read", peer.session:wants())
    assert.equal("250 421", codes(peer:say("Subject: x", "", ".", "NOOP")))
    assert.equal(1, #peer.mails)
  end)

  it("waits for the command that runs", function()
    local peer = smtp.peer { policy = later "accept_sender" }:hello()
    peer:say("MAIL FROM:<>", "NOOP")
    peer.session:end_()
    assert.equal("wait", peer.session:wants())
    peer.session:answer()
    assert.equal("250 421", codes(peer.session:take()))
  end)
end)

describe("the transcript of a session", function()
  it("begins with connect and ends with disconnect", function()
    local peer = smtp.peer()
    peer.session:close()
    assert.equal("connect", peer.events[1].kind)
    assert.equal("disconnect", peer.events[#peer.events].kind)
  end)
end)

describe("rewrite_greeting", function()
  it("changes what stands behind our name", function()
    local peer = smtp.peer { banner = "moonpost", policy = function(q)
      if q.hook == "rewrite_greeting" then return { kind = "none", rewrite = q.text .. " at your service" } end
      return nil
    end }
    assert.equal("220 mail.example.test ESMTP moonpost at your service\r\n", peer.session:take())
  end)
end)
