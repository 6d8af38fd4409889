-- Limits and time-outs, each reached once on the wire.
local server = require "spec.support.server"
local socket = require "socket"

describe("limits of SMTP", function()
  local s

  setup(function()
    s = server.start { config = {
      smtp = {
        max_message_octets = 65536, max_recipients = 100, max_errors = 5, max_idle_commands = 12,
        max_transactions = 3, max_auth_failures = 2, max_command_octets = 600, max_received = 10,
        max_text_line_octets = 2000, max_header_octets = 4096,
      },
      store = { default_quota_octets = 200000 },
    } }
  end)
  teardown(function() s:stop() end)

  local function session(service)
    local c = s:connect(service or "mta")
    c:reply()
    local _, text = c:command("EHLO client.example")
    return c, text
  end

  local function data(c, text)
    assert.equal(250, (c:command("MAIL FROM:<x@y.example>")))
    assert.equal(250, (c:command("RCPT TO:<bob@example.test>")))
    assert.equal(354, (c:command("DATA")))
    return c:command(text .. "\r\n.")
  end

  it("announces the size and refuses more, before and after the data", function()
    local c, text = session()
    assert.is_truthy(text:find("SIZE 65536", 1, true))
    assert.equal(552, (c:command("MAIL FROM:<x@y.example> SIZE=65537")))
    assert.equal(250, (c:command("MAIL FROM:<x@y.example> SIZE=65536")))
    c:command("RSET")
    assert.equal(552, (data(c, "Subject: big\r\n\r\n" .. (("x"):rep(98) .. "\r\n"):rep(700))))
    assert.equal(250, (data(c, "Subject: small\r\n\r\nx")))
    c:close()
  end)

  it("refuses the recipient behind the last one allowed", function()
    local c = session()
    c:command("MAIL FROM:<x@y.example>")
    for i = 1, 100 do assert.equal(250, (c:command("RCPT TO:<bob+" .. i .. "@example.test>"))) end
    assert.equal(452, (c:command("RCPT TO:<bob@example.test>")))
    c:close()
  end)

  it("hangs up after too many mistakes", function()
    local c = session()
    local last
    for _ = 1, 6 do
      last = c:command("BOGUS")
      if last == 421 then break end
    end
    assert.equal(421, last)
    assert.is_true(c:closed())
    c:close()
  end)

  it("hangs up after too many commands without progress", function()
    local c = session()
    local last
    for _ = 1, 20 do
      last = c:command("NOOP")
      if last == 421 then break end
    end
    assert.equal(421, last)
    assert.is_true(c:closed())
    c:close()
  end)

  it("hangs up after too many transactions", function()
    local c = session()
    local last
    for _ = 1, 4 do
      last = c:command("MAIL FROM:<x@y.example>")
      if last ~= 250 then break end
      c:command("RSET")
    end
    assert.is_true(last == 421 or last == 452, "code " .. last)
    c:close()
  end)

  it("hangs up after too many failed logins", function()
    local c = session("submissions")
    assert.equal(535, (c:auth_plain("alice@example.test", "wrong")))
    local code = c:auth_plain("alice@example.test", "wrong again")
    assert.is_true(code == 421 or code == 535)
    if code == 535 then assert.is_true(c:closed() or c:reply() == 421) end
    c:close()
  end)

  it("refuses a command line that is too long, whole", function()
    local c = session()
    assert.equal(500, (c:command("NOOP " .. ("x"):rep(700))))
    assert.equal(250, (c:command("NOOP")))
    c:send("NOOP " .. ("x"):rep(200000) .. "\r\n")
    assert.equal(500, (c:reply()))
    assert.equal(250, (c:command("NOOP")))
    c:close()
  end)

  it("refuses a text line that is too long, after the real end", function()
    local c = session()
    local code = data(c, "Subject: x\r\n\r\n" .. ("y"):rep(3000))
    assert.equal(5, code // 100)
    assert.equal(250, (c:command("NOOP")))
    c:close()
  end)

  it("refuses a header that is too large", function()
    local c = session()
    assert.equal(5, data(c, ("X-Filler: 0123456789\r\n"):rep(400) .. "\r\nx") // 100)
    c:close()
  end)

  it("sees a loop by the Received fields", function()
    local c = session()
    local code, text = data(c, ("Received: from a by b; Fri, 21 Nov 2025 20:00:00 +0000\r\n"):rep(12) .. "\r\nx")
    assert.equal(554, code)
    assert.is_truthy(text:find("^5%.4%.6"), text)
    c:close()
  end)

  it("refuses mail over the quota, for that recipient", function()
    local c = session()
    local code, text
    for _ = 1, 3 do
      c:command("RSET")
      code = data(c, "Subject: fill\r\n\r\n" .. (("x"):rep(98) .. "\r\n"):rep(600))
      if code ~= 250 then break end
    end
    c:close()
    for _ = 1, 3 do
      c = session()
      c:command("MAIL FROM:<x@y.example> SIZE=60000")
      code, text = c:command("RCPT TO:<bob@example.test>")
      c:close()
      if code ~= 250 then break end
      c = session()
      code, text = data(c, "Subject: fill\r\n\r\n" .. (("x"):rep(98) .. "\r\n"):rep(600))
      c:close()
      if code ~= 250 then break end
    end
    assert.is_true(code == 452 or code == 552, code .. " " .. text)
    assert.is_truthy(text:find("^[45]%.2%.2"), text)
  end)
end)

describe("limits of POP3", function()
  local s

  setup(function()
    s = server.start { config = {
      max_sessions_per_ip = 8, workers = 1,
      pop3 = { max_errors = 5, max_auth_failures = 2, max_command_octets = 300 },
    } }
  end)
  teardown(function() s:stop() end)

  it("hangs up after too many mistakes", function()
    local c = s:connect("pop3")
    c:line()
    for _ = 1, 6 do
      if not c:send("BOGUS\r\n") or not pcall(c.line, c) then break end
    end
    assert.is_true(c:closed())
    c:close()
  end)

  it("hangs up after too many failed logins", function()
    local c = s:connect("pop3")
    c:line()
    for _ = 1, 2 do
      c:ask("USER bob@example.test")
      local reply = c:ask("PASS wrong")
      assert.is_truthy(reply:find("^%-ERR"), reply)
      assert.is_truthy(reply:find("[AUTH]", 1, true), reply)
    end
    assert.is_true(c:closed())
    c:close()
  end)

  it("refuses a command line that is too long, whole", function()
    local c = s:connect("pop3")
    c:line()
    assert.is_truthy(c:ask("USER " .. ("x"):rep(400)):find("^%-ERR"))
    assert.is_truthy(c:ask("CAPA"):find("^%+OK"))
    c:close()
  end)

  it("refuses more sessions from one address than configured, and takes them again later", function()
    local held = {}
    for i = 1, 8 do
      held[i] = s:connect("pop3")
      assert.is_truthy(held[i]:line():find("^%+OK"))
    end
    local extra = s:connect("pop3")
    local got, line = pcall(extra.line, extra)
    assert.is_true(not got or line:find("^%-ERR") ~= nil, line)
    extra:close()
    extra = s:connect("mta")
    local ok, code = pcall(extra.reply, extra)
    assert.is_true(not ok or code == 421)
    extra:close()
    for _, c in ipairs(held) do c:close() end
    local deadline, again = socket.gettime() + 5
    repeat
      local c = s:connect("pop3")
      again = pcall(c.line, c)
      c:close()
    until again or socket.gettime() > deadline
    assert.is_true(again)
  end)
end)

describe("time-outs", function()
  local s

  setup(function()
    s = server.start { config = {
      smtp = { command_timeout = 0.4, data_timeout = 0.5 },
      pop3 = { login_timeout = 0.4, idle_timeout = 0.5 },
    } }
  end)
  teardown(function() s:stop() end)

  it("end an SMTP session that says nothing, with 421", function()
    local c = s:connect("mta")
    c:reply()
    local code, text = c:reply()
    assert.equal(421, code)
    assert.is_truthy(text:find("^4%.4%.2"), text)
    assert.is_true(c:closed())
    c:close()
  end)

  it("end one that stops in the middle of a command or of the data", function()
    local c = s:connect("mta")
    c:reply()
    c:send("EHL")
    assert.equal(421, (c:reply()))
    c:close()
    c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:command("MAIL FROM:<x@y.example>")
    c:command("RCPT TO:<bob@example.test>")
    assert.equal(354, (c:command("DATA")))
    c:send("Subject: never ends\r\n")
    assert.equal(421, (c:reply()))
    assert.is_true(c:closed())
    c:close()
  end)

  it("end a POP3 session and delete nothing", function()
    assert.is_true((s:deliver("x@y.example", "bob@example.test", "Subject: stays\r\n\r\nx\r\n")))
    local c = s:connect("pop3")
    c:line()
    assert.is_true(c:closed(3))
    c:close()
    c = assert(s:maildrop("bob@example.test"))
    assert.is_truthy(c:ask("DELE 1"):find("^%+OK"))
    assert.is_true(c:closed(3))
    c:close()
    local deadline, again = socket.gettime() + 3
    repeat again = s:maildrop("bob@example.test") until again or socket.gettime() > deadline
    assert.is_truthy(again:ask("STAT"):find("^%+OK 1 "))
    again:close()
  end)

  it("spare a client that is slow but works", function()
    local c = s:connect("mta")
    c:reply()
    for _ = 1, 4 do
      socket.sleep(0.2)
      assert.equal(250, (c:command("NOOP")))
    end
    c:close()
  end)
end)
