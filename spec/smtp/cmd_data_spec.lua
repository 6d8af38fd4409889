-- DATA and BDAT.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

local function begun(options)
  local peer = smtp.peer(options):hello()
  peer:say("MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>")
  return peer
end

---Send a message by DATA; its reply and the peer.
local function data(text, options)
  local peer = begun(options)
  assert.matches("^354 ", peer:say "DATA")
  peer.session:feed(text .. ".\r\n")
  return peer.session:take(), peer
end

describe("DATA", function()
  it("is 503 without RCPT, 554 when all recipients were refused (RFC 5321, 3.3)", function()
    local peer = smtp.peer():hello()
    peer:say "MAIL FROM:<>"
    assert.matches("^503 5%.5%.1 ", peer:say "DATA")
    peer:say "RCPT TO:<nobody@example.test>"
    assert.matches("^554 5%.5%.1 No valid recipients", peer:say "DATA")
    assert.equal("250 354", codes(peer:say("RCPT TO:<bob@example.test>", "DATA")))
  end)

  it("stores the octets as they came, behind Return-Path and Received", function()
    local text = "Subject: x\r\nX-Odd: \9 \r\n\r\n8 bit: \195\164\255\0\r\n\r\n  end\r\n"
    local reply, peer = data(text)
    local id = reply:match "^250 2%.0%.0 Ok: stored as (%w+)\r\n$"
    local octets = peer.mails[1].octets
    assert.equal(text, octets:sub(-#text))
    assert.matches("^Return%-Path: <alice@example%.test>\r\nReceived: from client%.example ", octets)
    assert.matches("%sid " .. id .. "%s+for <bob@example%.test>; ", octets)
  end)

  it("names no recipient in Received when there are several", function()
    local peer = begun()
    peer:say("RCPT TO:<alice@example.test>", "DATA", "Subject: x", "", ".")
    assert.is_nil(peer.mails[1].octets:find(" for <", 1, true))
  end)

  it("takes out the dots that were put in", function()
    local _, peer = data "Subject: x\r\n\r\n..\r\n...\r\n..a\r\n . \r\na.\r\n"
    assert.equal("Subject: x\r\n\r\n.\r\n..\r\n.a\r\n . \r\na.\r\n", peer:text())
  end)

  it("takes a message of nothing but dots", function()
    local _, peer = data("..\r\n..\r\n..\r\n")
    assert.equal("\r\n.\r\n.\r\n.\r\n", peer:text())
  end)

  it("takes an empty message", function()
    local reply, peer = data ""
    assert.matches("^250", reply)
    assert.equal("", peer:text())
  end)

  it("puts an empty line in front of a message that has no header", function()
    for text, stored in pairs {
      ["Just text.\r\n"] = "\r\nJust text.\r\n",
      ["word\r\n"] = "\r\nword\r\n",
      ["\208\191\r\n"] = "\r\n\208\191\r\n",
      [" : \r\n"] = "\r\n : \r\n",
      [":x\r\n"] = "\r\n:x\r\n",
      ["\r\nbody\r\n"] = "\r\nbody\r\n",
      ["Subject : old style\r\n\r\nbody\r\n"] = "Subject : old style\r\n\r\nbody\r\n",
      ["From alice Sat Nov 21\r\nSubject: x\r\n"] = "From alice Sat Nov 21\r\nSubject: x\r\n",
    } do
      local _, peer = data(text)
      assert.equal(stored, peer:text())
      -- the same when the first line comes octet by octet
      peer:to_data()
      for c in text:gmatch "." do peer.session:feed(c) end
      peer.session:feed ".\r\n"
      assert.equal(stored, peer:text())
    end
  end)

  it("takes octets that are cut anywhere", function()
    local text = "Subject: cut\r\n\r\n..dot\r\nline\r\n..\r\nend\r\n.\r\n"
    for size = 1, #text do
      local peer = begun()
      peer:say "DATA"
      for i = 1, #text, size do peer.session:feed(text:sub(i, i + size - 1)) end
      assert.matches("^250", peer.session:take())
      assert.equal("Subject: cut\r\n\r\n.dot\r\nline\r\n.\r\nend\r\n", peer:text())
    end
  end)

  it("goes on with the next command behind the final dot", function()
    local peer = begun()
    peer.session:feed "DATA\r\nSubject: x\r\n\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\ny: z\r\n.\r\nQUIT\r\n"
    assert.equal("354 250 250 250 354 250 221", codes(peer.session:take()))
    assert.equal(2, #peer.mails)
  end)
end)

describe("the end of the data", function()
  -- Each of these looks like an end to somebody; a bare CR or LF ends nothing (RFC 5321, 2.3.8).
  local impostors = { "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n\r.\r\n", "\r\n.\0\r\n", "\r\n.\r\r\n" }

  for i, impostor in ipairs(impostors) do
    it("is CRLF.CRLF alone: smuggling attempt " .. i, function()
      local peer = begun()
      peer:say "DATA"
      peer.session:feed("Subject: x\r\n\r\nhello" .. impostor .. "MAIL FROM:<evil@example.test>\r\nNOOP\r\n")
      assert.equal("", peer.session:take())
      peer.session:feed ".\r\nNOOP\r\n"
      local replies = peer.session:take()
      if impostor:find "%z" then return assert.equal("250 250", codes(replies)) end
      assert.matches("^550 5%.6%.0 ", replies)
      assert.equal("550 250", codes(replies))
      assert.equal(0, #peer.mails)
    end)
  end

  it("is found at every cut, with the refusal of a bare LF", function()
    local text = "Subject: x\r\n\r\na\nb\r\n.\r\n"
    for cut = 1, #text - 1 do
      local peer = begun()
      peer:say "DATA"
      peer.session:feed(text:sub(1, cut))
      peer.session:feed(text:sub(cut + 1))
      assert.equal("550", codes(peer.session:take()))
    end
  end)

  it("does not wait for more when the dot comes first", function()
    assert.matches("^250", (data("")))
  end)
end)

describe("BDAT", function()
  local function chunk(octets, last)
    return ("BDAT %d%s\r\n%s"):format(#octets, last and " LAST" or "", octets)
  end

  it("takes a message in chunks of any size", function()
    local text = "Subject: x\r\n\r\n.\r\n..\r\nend\r\n"
    for size = 1, #text do
      local peer = begun()
      for i = 1, #text, size do
        peer.session:feed(chunk(text:sub(i, i + size - 1)))
        assert.equal("250", codes(peer.session:take()))
      end
      peer.session:feed "BDAT 0 LAST\r\n"
      assert.matches("^250 2%.0%.0 Ok: stored as ", peer.session:take())
      assert.equal(text, peer:text())
    end
  end)

  it("counts octets, whatever is in them and however they come", function()
    local peer = begun()
    for c in (chunk("Subject: x\r\n\r\nQUIT\r\n.\r\nMAIL FROM:<>\r\n", true) .. "NOOP\r\n"):gmatch "." do
      peer.session:feed(c)
    end
    assert.equal("250 250", codes(peer.session:take()))
    assert.equal("Subject: x\r\n\r\nQUIT\r\n.\r\nMAIL FROM:<>\r\n", peer:text())
  end)

  it("is pipelined with the envelope", function()
    local peer = smtp.peer():hello()
    peer.session:feed("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n" .. chunk "a: b\r\n" .. chunk("\r\nc\r\n", true) .. "QUIT\r\n")
    assert.equal("250 250 250 250 221", codes(peer.session:take()))
    assert.equal("a: b\r\n\r\nc\r\n", peer:text())
  end)

  it("knows LAST in any case", function()
    local peer = begun()
    peer.session:feed "bdat 6 last\r\na: b\r\n"
    assert.equal("250", codes(peer.session:take()))
    assert.equal(1, #peer.mails)
  end)

  it("completes the last line, so that POP3 sends what is stored", function()
    for text, stored in pairs { ["a: b\r\n\r\nc"] = "a: b\r\n\r\nc\r\n", ["word"] = "\r\nword\r\n" } do
      local peer = begun()
      peer.session:feed(chunk(text, true))
      assert.equal("250", codes(peer.session:take()))
      assert.equal(stored, peer:text())
    end
  end)

  it("takes an empty message", function()
    local peer = begun()
    assert.equal("250", codes(peer:say "BDAT 0 LAST"))
    assert.equal("", peer:text())
  end)

  it("is 501 when its arguments make no sense", function()
    for _, args in ipairs { "", "x", "-1", "1x", "0 FIRST", "0 LAST x", "LAST" } do
      assert.equal("501", codes(begun():say("BDAT " .. args)))
    end
  end)

  it("with a word that is not LAST is read, 501, and no message comes of the other chunks", function()
    local peer = begun()
    peer.session:feed("BDAT 6 LATS\r\nQUIT\r\n" .. chunk("a: b\r\n", true) .. "MAIL FROM:<>\r\n")
    assert.equal("501 501 250", codes(peer.session:take()))
    assert.equal(0, #peer.mails)
    peer = begun()
    peer.session:feed(chunk "a: b\r\n" .. "BDAT six\r\n" .. chunk("c: d\r\n", true) .. "MAIL FROM:<>\r\n")
    assert.equal("250 501 501 250", codes(peer.session:take()))
    assert.equal(0, #peer.mails)
  end)

  it("before TLS, where that is required, and in a refused session is read and 503", function()
    local peer = smtp.peer({ require_tls = true, tls_available = true }):hello()
    peer.session:feed(chunk "QUIT\r\n" .. "NOOP\r\n")
    assert.equal("503 250", codes(peer.session:take()))
    local refused = smtp.peer { policy = function() return { kind = "reject" } end }
    refused.session:take()
    refused.session:feed(chunk "QUIT\r\n" .. "NOOP\r\n")
    assert.equal("503 503", codes(refused.session:take()))
  end)

  it("out of place is 503, and the chunk is read all the same", function()
    local peer = smtp.peer():hello()
    peer.session:feed(chunk "RSET\r\n" .. "NOOP\r\n")
    assert.equal("503 250", codes(peer.session:take()))
    peer:say "MAIL FROM:<>"
    peer.session:feed(chunk("QUIT\r\n", true) .. "NOOP\r\n")
    assert.equal("503 250", codes(peer.session:take()))
    peer:say "RCPT TO:<nobody@example.test>"
    peer.session:feed(chunk("QUIT\r\n", true) .. "NOOP\r\n")
    assert.equal("554 250", codes(peer.session:take()))
    peer:say "RCPT TO:<bob@example.test>"
    peer.session:feed(chunk("a: b\r\n", true) .. chunk("more\r\n", true) .. "NOOP\r\n")
    assert.equal("250 503 250", codes(peer.session:take()))
  end)

  it("does not mix with DATA, MAIL and RCPT until RSET or LAST", function()
    local peer = begun()
    peer.session:feed(chunk "a: b\r\n")
    assert.equal("250 503 503 503", codes(peer:say("DATA", "MAIL FROM:<>", "RCPT TO:<bob@example.test>")))
    assert.equal("250 250", codes(peer:say("RSET", "MAIL FROM:<>")))
  end)

  it("of more than the message may have is read, refused with 552, and so is what follows", function()
    local peer = begun { max_message_octets = 20 }
    peer.session:feed(chunk(("x"):rep(15)) .. chunk(("y"):rep(6)) .. chunk("z") .. chunk("z", true) .. "MAIL FROM:<>\r\n")
    assert.equal("250 552 552 552 250", codes(peer.session:take()))
    assert.equal(0, #peer.mails)
  end)

  it("of a size that cannot be read ends the session", function()
    local peer = begun()
    assert.equal("421", codes(peer:say("BDAT 99999999999999999999999", "NOOP")))
  end)

  it("refuses a bare CR or LF after the last chunk, wherever the chunks are cut", function()
    for _, text in ipairs { "a: b\r\n\r\nc\nd\r\n", "a: b\r\n\r\nc\rd\r\n", "\na: b\r\n", "a: b\r\n\r\nc\r\r\n", "a: b\r\n\r\nc\r" } do
      for cut = 1, #text - 1 do
        local peer = begun()
        peer.session:feed(chunk(text:sub(1, cut)) .. chunk(text:sub(cut + 1), true) .. "NOOP\r\n")
        assert.equal("250 550 250", codes(peer.session:take()), ("%q at %d"):format(text, cut))
      end
    end
  end)
end)

describe("accept_data", function()
  local function server(verdict)
    return begun { policy = function(q)
      if q.hook == "accept_data" then
        assert.equal("alice@example.test", q.envelope.sender)
        assert.equal("bob@example.test", q.envelope.recipients[1].address)
        return verdict
      end
      return smtp.policy(q)
    end }
  end

  it("may refuse before the message is sent, and the mail is over", function()
    local peer = server { kind = "reject", text = "Not today" }
    assert.equal("554 5.7.1 Not today\r\n", peer:say "DATA")
    assert.equal("250", codes(peer:say "MAIL FROM:<>"))
  end)

  it("may refuse the first chunk, after it is read, with its own code to the end", function()
    local peer = server { kind = "tempfail", status = "4.7.1", text = "Not today" }
    peer.session:feed "BDAT 6\r\na: b\r\nBDAT 3 LAST\r\nc\r\nMAIL FROM:<>\r\n"
    assert.equal("451 4.7.1 Not today\r\n451 4.7.1 Not today\r\n250 2.1.0 Ok\r\n", peer.session:take())
  end)

  it("may throw the message away unseen by the client", function()
    local peer = server { kind = "discard" }
    assert.equal("354 250", codes(peer:say("DATA", "Subject: x", "", ".")))
    peer:say("MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>")
    assert.equal("250", codes(peer:say("BDAT 6 LAST", "a: b")))
    assert.equal(0, #peer.mails)
  end)
end)
