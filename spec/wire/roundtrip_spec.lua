-- What SMTP took, POP3 gives back, octet for octet, whatever the transport and the way of sending.
local server = require "spec.support.server"
local peer = require "spec.support.peer"
local mime = require "mime"

local USER, PASSWORD = "bob@example.test", "bob-secret"

local function lines(n, text)
  return (text .. "\r\n"):rep(n)
end

local octets_of_all_values = {}
for code = 0, 255 do
  if code ~= 13 and code ~= 10 then octets_of_all_values[#octets_of_all_values + 1] = string.char(code) end
end

local messages = {
  ["a small one"] = "From: a@b.example\r\nSubject: small\r\n\r\nHello\r\n",
  ["one without a body"] = "Subject: header only\r\n",
  ["one without a header"] = "\r\njust text\r\n",
  ["an empty one"] = "",
  ["one of empty lines"] = lines(20, ""),
  ["one of dots"] = "Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n. \r\nx.\r\n.\r\n",
  ["one that begins with a dot"] = ".Subject: odd\r\n\r\nx\r\n",
  ["one with every octet but CR and LF"] =
    "Subject: 8 bit\r\n\r\n" .. lines(3, table.concat(octets_of_all_values)),
  ["one with lines of 998 octets"] = "Subject: long\r\n\r\n" .. lines(30, ("x"):rep(998)),
  ["one with a line of 60000 octets"] = "Subject: longer\r\n\r\n" .. lines(1, ("y"):rep(60000)),
  ["one of exactly the size of the memory limit"] = "Subject: x\r\n\r\n" .. lines(5000, ("0"):rep(11)),
  ["one of 300 KB that goes into a file"] = "Subject: file\r\n\r\n" .. lines(3000, (".0123456789"):rep(9)),
}

---What the server puts above a message, and the message.
local function split_trace(text)
  local head = text:match("^(Return%-Path: <[^\r]*>\r\nReceived: [^\r]*\r\n)")
  if not head then return nil, text end
  local rest = text:sub(#head + 1)
  while rest:find("^[ \t]") do
    local folded = rest:match("^[^\r]*\r\n")
    head, rest = head .. folded, rest:sub(#folded + 1)
  end
  return head, rest
end

local transports = {
  { name = "in clear", smtp = "mta", pop3 = "pop3" },
  { name = "after STARTTLS and STLS", smtp = "submission", pop3 = "pop3", upgrade = true },
  { name = "over TLS from the start", smtp = "submissions", pop3 = "pop3s" },
}

describe("mail from SMTP to POP3", function()
  local s

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  local function smtp_client(transport)
    local c = s:connect(transport.smtp)
    assert.equal(220, (c:reply()))
    assert.equal(250, (c:command("EHLO client.example")))
    if transport.upgrade then
      assert.equal(220, (c:command("STARTTLS")))
      assert(c:starttls())
      assert.equal(250, (c:command("EHLO client.example")))
    end
    if transport.smtp ~= "mta" then
      assert.equal(235, (c:auth_plain("alice@example.test", "alice-secret")))
    end
    return c
  end

  local function pop3_client(transport)
    local c = s:connect(transport.pop3)
    assert.is_truthy(c:line():find("^%+OK"))
    if transport.upgrade then
      assert.is_truthy(c:ask("STLS"):find("^%+OK"))
      assert(c:starttls())
    end
    c:ask("USER " .. USER)
    local reply = c:ask("PASS " .. PASSWORD)
    assert.is_truthy(reply:find("^%+OK"), reply)
    return c
  end

  ---The only message of the maildrop; it is deleted.
  local function take(transport)
    local c = pop3_client(transport)
    local count, size = c:ask("STAT"):match("^%+OK (%d+) (%d+)")
    assert.equal("1", count)
    assert.equal("+OK 1 " .. size, c:ask("LIST 1"))
    local first, body = c:fetch("RETR 1")
    assert.is_truthy(first:find("^%+OK"))
    assert.equal(tonumber(size), #body)
    assert.is_truthy(c:ask("DELE 1"):find("^%+OK"))
    assert.is_truthy(c:ask("QUIT"):find("^%+OK"))
    c:close()
    return body
  end

  for _, transport in ipairs(transports) do
    describe(transport.name, function()
      for name, text in pairs(messages) do
        it("gives back " .. name, function()
          local c = smtp_client(transport)
          local ok, reply = c:mail("alice@example.test", USER, text)
          assert.is_true(ok, reply)
          assert.equal(221, (c:command("QUIT")))
          c:close()
          local head, body = split_trace(take(transport))
          assert.is_truthy(head)
          assert.is_truthy(head:find("Return-Path: <alice@example.test>", 1, true))
          assert.is_true(body == text, "the octets differ")
        end)
      end
    end)
  end

  it("takes BDAT chunks cut anywhere, dots and all", function()
    local text = messages["one of dots"] .. messages["one with every octet but CR and LF"]
    local c = smtp_client(transports[1])
    c:command("MAIL FROM:<>")
    c:command("RCPT TO:<" .. USER .. ">")
    local at = 1
    for _, size in ipairs { 1, 0, 17, 300, 2 } do
      assert(c:send(("BDAT %d\r\n"):format(size) .. text:sub(at, at + size - 1)))
      assert.equal(250, (c:reply()))
      at = at + size
    end
    assert(c:send(("BDAT %d LAST\r\n"):format(#text - at + 1) .. text:sub(at)))
    assert.equal(250, (c:reply()))
    c:close()
    local head, body = split_trace(take(transports[1]))
    assert.is_truthy(head:find("Return-Path: <>", 1, true))
    assert.is_true(body == text, "the octets differ")
  end)

  it("takes a message that comes octet by octet, and gives it to a client that reads slowly", function()
    local text = messages["one of dots"]
    local c = smtp_client(transports[1])
    for octet in ("MAIL FROM:<x@y.example>\r\nRCPT TO:<" .. USER .. ">\r\nDATA\r\n"):gmatch(".") do
      assert(c:send(octet))
    end
    assert.same({ 250, 250, 354 }, { (c:reply()), (c:reply()), (c:reply()) })
    for octet in peer.stuffed(text):gmatch(".") do assert(c:send(octet)) end
    assert.equal(250, (c:reply()))
    c:close()
    assert.equal(text, select(2, split_trace(take(transports[1]))))
  end)

  it("takes a whole session in one write", function()
    local c = s:connect("mta")
    assert(c:send("EHLO client.example\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<" .. USER ..
      ">\r\nDATA\r\n"))
    assert.same({ 220, 250, 250, 250, 354 },
      { (c:reply()), (c:reply()), (c:reply()), (c:reply()), (c:reply()) })
    assert(c:send(peer.stuffed("Subject: p\r\n\r\none\r\n") .. "MAIL FROM:<x@y.example>\r\nQUIT\r\n"))
    assert.same({ 250, 250, 221 }, { (c:reply()), (c:reply()), (c:reply()) })
    assert.is_true(c:closed())
    assert.equal("Subject: p\r\n\r\none\r\n", select(2, split_trace(take(transports[1]))))
  end)

  it("gives several recipients a copy each, signed by the envelope they saw", function()
    local c = smtp_client(transports[1])
    local recipients = { "alice@example.test", USER, "bob+tag@example.test" }
    assert.is_true((c:mail("x@y.example", recipients, "Subject: n\r\n\r\nx\r\n")))
    c:close()
    for user, password in pairs { ["alice@example.test"] = "alice-secret", [USER] = PASSWORD } do
      local m = s:maildrop(user, password)
      local count = tonumber((m:ask("STAT"):match("^%+OK (%d+)")))
      assert.is_true(count >= 1)
      for i = 1, count do
        local _, body = m:fetch("RETR " .. i)
        assert.equal("Subject: n\r\n\r\nx\r\n", select(2, split_trace(body)))
        m:ask("DELE " .. i)
      end
      m:ask("QUIT")
      m:close()
    end
  end)

  it("knows a mailbox by its name in any case and by a quoted local part", function()
    assert.is_true((s:deliver("x@y.example", "BOB@Example.TEST", "Subject: 1\r\n\r\n\r\n")))
    assert.is_truthy(take(transports[1]))
    assert.is_true((s:deliver("x@y.example", '"bob"@example.test', "Subject: 2\r\n\r\n\r\n")))
    assert.is_truthy(take(transports[1]))
  end)

  it("signs in by every mechanism on offer, over TLS", function()
    local c = s:connect("submissions")
    c:reply()
    local _, text = c:command("EHLO client.example")
    local offered = assert(text:match("AUTH ([^\n]*)"))
    assert.is_truthy(offered:find("PLAIN", 1, true))
    assert.is_truthy(offered:find("SCRAM-SHA-256", 1, true))
    assert.equal(334, (c:command("AUTH LOGIN")))
    assert.equal(334, (c:command((mime.b64("alice@example.test")))))
    assert.equal(235, (c:command((mime.b64("alice-secret")))))
    c:close()
  end)
end)
