local mail = require("spec.support.bind")("mail")

local function received(changes)
  local t = { helo = "client.example", remote_ip = "192.0.2.1", hostname = "mx.example.test", protocol = "ESMTPS",
    id = "k2f", recipient = "alice@example.test", tls = "TLSv1.3 TLS_AES_256_GCM_SHA384", when = 1795292109 }
  for key, value in pairs(changes or {}) do t[key] = value end
  return mail.trace_received(t)
end

-- One header field, unfolded, that a strict reader takes.
local function unfolded(text)
  local fields, status = mail.header_fields(text .. "\r\n")
  assert.same({ 1, "END", "Received" }, { #fields, status, fields[1].name })
  return (fields[1].value:gsub("\r\n[ \t]", " "))
end

describe("trace_received", function()
  it("says from, by, with, id, for and when", function()
    assert.equal("from client.example ([192.0.2.1]) by mx.example.test with ESMTPS " ..
      "(TLSv1.3 TLS_AES_256_GCM_SHA384) id k2f for <alice@example.test>; Sat, 21 Nov 2026 20:15:09 +0000",
      unfolded(received()))
  end)

  it("leaves out what is not known or is nobody's business", function()
    assert.equal("from client.example ([192.0.2.1]) by mx.example.test with SMTP id k2f; " ..
      "Sat, 21 Nov 2026 20:15:09 +0000", unfolded(received { tls = "", recipient = "", protocol = "SMTP" }))
  end)

  it("tags IPv6 and uses the address where HELO gave no name", function()
    assert.truthy(unfolded(received { remote_ip = "2001:db8::1" }):find("from client.example ([IPv6:2001:db8::1]) by",
      1, true))
    assert.truthy(unfolded(received { helo = "" }):find("^from %[192%.0%.2%.1%] %(%[192%.0%.2%.1%]%) by"))
    assert.truthy(unfolded(received { helo = "[10.0.0.1]" }):find("^from %[192%.0%.2%.1%] "))
  end)

  it("folds at 78 octets and ends with CRLF", function()
    local text = received { recipient = ("l"):rep(60) .. "@" .. ("d"):rep(60) .. ".test" }
    assert.equal("\r\n", text:sub(-2))
    for line in text:gmatch("(.-)\r\n") do
      assert.is_true(#line <= 78 or line:find("^\tfor [^ ]+;$") ~= nil, line)
    end
    for line in received():gmatch("(.-)\r\n") do assert.is_true(#line <= 78, line) end
    local function first_line(n)
      return #received({ helo = ("h"):rep(n), remote_ip = "1.1.1.1" }):match("^(.-)\r\n")
    end
    assert.same({ 78, 67 }, { first_line(51), first_line(52) })
  end)

  it("lets a peer's name neither end the field nor open a comment", function()
    local text = received { helo = "evil\r\nBcc: x\r\n (\"\\;,<>)\0\255" }
    assert.falsy(text:find("\r\nBcc", 1, true))
    assert.truthy(unfolded(text):find("^from evil%?%?Bcc:%?x%?+ %(%["))
  end)

  it("keeps UTF-8 in the name only when the protocol says so", function()
    assert.truthy(unfolded(received { helo = "пример" }):find("^from %?+ "))
    assert.truthy(unfolded(received { helo = "пример", protocol = "UTF8SMTPS" }):find("^from пример "))
  end)
end)

describe("trace_protocol", function()
  it("names the protocol as RFC 3848 and RFC 6531, 4.3 do", function()
    assert.equal("SMTP", mail.trace_protocol(false, false, false, false))
    assert.equal("SMTP", mail.trace_protocol(false, true, false, false))
    assert.equal("ESMTP", mail.trace_protocol(true, false, false, false))
    assert.equal("ESMTPS", mail.trace_protocol(true, true, false, false))
    assert.equal("ESMTPA", mail.trace_protocol(true, false, true, false))
    assert.equal("ESMTPSA", mail.trace_protocol(true, true, true, false))
    assert.equal("UTF8SMTP", mail.trace_protocol(true, false, false, true))
    assert.equal("UTF8SMTPSA", mail.trace_protocol(true, true, true, true))
  end)
end)

describe("trace_return_path", function()
  it("writes the reverse-path in brackets", function()
    assert.equal("Return-Path: <bob@example.org>\r\n", mail.trace_return_path("bob@example.org"))
    assert.equal("Return-Path: <>\r\n", mail.trace_return_path(""))
  end)
end)
