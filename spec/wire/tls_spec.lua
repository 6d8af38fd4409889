-- TLS on the wire: what is discarded, what is refused, what a reload changes.
local server = require "spec.support.server"
local socket = require "socket"
local ssl = require "ssl"

describe("TLS", function()
  local s

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  it("discards plaintext that was pipelined behind STARTTLS", function()
    local c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:send("STARTTLS\r\nMAIL FROM:<injected@example.test>\r\nRCPT TO:<bob@example.test>\r\n")
    assert.equal(220, (c:reply()))
    local ok = c:starttls()
    if ok then                                   -- the handshake may as well fail: also safe
      c:send("NOOP\r\n")
      local code = c:reply()
      assert.equal(250, code)
      assert.equal(503, (c:command("RCPT TO:<bob@example.test>")))
    end
    c:close()
  end)

  it("forgets what was said before STARTTLS", function()
    local c = s:connect("mta")
    c:reply()
    c:command("EHLO before.example")
    c:command("MAIL FROM:<before@example.test>")
    local code = c:command("STARTTLS")
    if code ~= 220 then                          -- a transaction is open: RSET first
      assert.equal(503, code)
      c:command("RSET")
      assert.equal(220, (c:command("STARTTLS")))
    end
    assert(c:starttls())
    assert.equal(503, (c:command("RCPT TO:<bob@example.test>")))
    assert.equal(503, (c:command("MAIL FROM:<x@y.example>")))       -- EHLO comes first again
    local _, text = c:command("EHLO after.example")
    assert.is_nil(text:find("STARTTLS", 1, true))
    assert.equal(503, (c:command("STARTTLS")))
    c:close()
  end)

  it("discards plaintext that was pipelined behind STLS", function()
    local c = s:connect("pop3")
    c:line()
    c:send("STLS\r\nUSER alice@example.test\r\n")
    assert.is_truthy(c:line():find("^%+OK"))
    local ok = c:starttls()
    if ok then
      local reply = c:ask("PASS alice-secret")
      assert.is_truthy(reply:find("^%-ERR"), reply)
      assert.is_truthy(c:ask("STLS"):find("^%-ERR"))
    end
    c:close()
  end)

  it("closes a connection that does not speak it, and goes on", function()
    for _, service in ipairs { "submissions", "pop3s" } do
      local raw = assert(socket.connect("127.0.0.1", s.ports[service]))
      raw:settimeout(5)
      raw:send("EHLO client.example\r\n" .. ("x"):rep(100))
      local _, problem = raw:receive("*a")
      assert.is_truthy(problem == nil or problem == "closed")
      raw:close()
      local c = s:connect(service)
      assert.is_truthy(c:line():find("^[%+2]"))
      c:close()
    end
  end)

  it("refuses TLS 1.1 and offers 1.2 and 1.3", function()
    local function handshake(protocol)
      local raw = assert(socket.connect("127.0.0.1", s.ports.pop3s))
      local c = assert(ssl.wrap(raw, { mode = "client", protocol = protocol, verify = "none", options = "all" }))
      c:settimeout(5)
      local ok = c:dohandshake()
      c:close()
      return ok
    end
    assert.is_true(handshake("tlsv1_2"))
    assert.is_true(handshake("tlsv1_3"))
    assert.is_falsy(handshake("tlsv1_1"))
  end)

  it("bears a client that leaves in the middle of the handshake", function()
    for _ = 1, 5 do
      local c = s:connect("pop3")
      c:line()
      c:ask("STLS")
      c:send("\22\3\1\0")
      c:close()
    end
    assert.is_truthy(s:maildrop("bob@example.test"))
  end)

  it("is not offered twice, nor on a port that has it from the start", function()
    local c = s:connect("submissions")
    c:reply()
    local _, text = c:command("EHLO client.example")
    assert.is_nil(text:find("STARTTLS", 1, true))
    c:close()
    c = s:connect("pop3s")
    c:line()
    local _, capabilities = c:fetch("CAPA")
    assert.is_nil(capabilities:find("STLS", 1, true))
    c:close()
  end)
end)

describe("certificates", function()
  local function subject(port, name)
    local raw = assert(socket.connect("127.0.0.1", port))
    local c = assert(ssl.wrap(raw, { mode = "client", protocol = "any", verify = "none", options = "all" }))
    c:settimeout(5)
    c:sni(name)
    assert(c:dohandshake())
    local cert = c:getpeercertificate()
    c:close()
    for _, part in ipairs(cert:subject()) do
      if part.name == "commonName" then return part.value end
    end
  end

  local function self_signed(dir, name, rsa)
    local key = rsa and "-newkey rsa:2048" or "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    assert(os.execute(("openssl req -x509 %s -nodes -days 30 -subj /CN=%s -keyout %s/%s.key -out %s/%s.pem 2>/dev/null")
      :format(key, name, dir, name, dir, name)))
    return { name = name, chain = name .. ".pem", key = name .. ".key" }
  end

  it("are chosen by the name that the client asks for, and changed by a reload", function()
    local s = server.start { config = function(sv)
      return { tls = { certificates = {
        { chain = sv.tls .. "/server.pem", key = sv.tls .. "/server.key" },
        self_signed(sv.dir, "one.example"), self_signed(sv.dir, "two.example", true),
      } } }
    end }
    assert.equal("mail.example.test", subject(s.ports.pop3s, "mail.example.test"))
    assert.equal("one.example", subject(s.ports.pop3s, "one.example"))
    assert.equal("two.example", subject(s.ports.pop3s, "two.example"))
    assert.equal("mail.example.test", subject(s.ports.pop3s, "three.example"))
    self_signed(s.dir, "three.example")
    os.rename(s.dir .. "/three.example.pem", s.dir .. "/one.example.pem")
    os.rename(s.dir .. "/three.example.key", s.dir .. "/one.example.key")
    local old = s:connect("pop3")
    old:line()
    s:signal("HUP")
    local deadline, now = socket.gettime() + 10
    repeat
      now = subject(s.ports.pop3s, "one.example")
      socket.sleep(0.05)
    until now == "three.example" or socket.gettime() > deadline
    assert.equal("three.example", now)
    assert.is_truthy(old:ask("CAPA"):find("^%+OK"))      -- the old session goes on
    old:close()
    s:stop()
  end)
end)
