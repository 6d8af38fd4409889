-- Slow and stubborn clients.
local server = require "spec.support.server"
local socket = require "socket"

describe("a connection", function()
  local s

  setup(function()
    s = server.start { config = {
      workers = 1, handshake_timeout = 0.4, max_session_time = 3,
      smtp = { command_timeout = 0.6, max_idle_commands = 0 }, pop3 = { login_timeout = 0.6 },
    } }
  end)
  teardown(function() s:stop() end)

  it("is not kept open by a command that trickles in", function()
    local c = s:connect("mta")
    c:reply()
    local began, line = socket.gettime(), nil
    c.socket:settimeout(0)
    for _ = 1, 40 do
      c.socket:send("X")
      socket.sleep(0.05)
      line = c.socket:receive("*l")
      if line then break end
    end
    assert.is_truthy(line, "no reply")
    assert.is_truthy(line:find("^421 "), line)
    assert.is_true(socket.gettime() - began < 1.5)
    c:close()
  end)

  it("ends when the TLS handshake does not come", function()
    local c = assert(socket.connect("127.0.0.1", s.ports.submissions))
    c:settimeout(2)
    local began = socket.gettime()
    local _, problem = c:receive(1)
    assert.equal("closed", problem)
    assert.is_true(socket.gettime() - began < 1.5)
  end)

  it("ends after max_session_time however busy it is", function()
    local c = s:connect("mta")
    c:reply()
    local code
    local began = socket.gettime()
    c:command("EHLO client.example")
    repeat
      code = c:command("RSET")
      if code == 250 then c:command("MAIL FROM:<a@b.example>") end
      socket.sleep(0.05)
    until code ~= 250 or socket.gettime() - began > 6
    assert.equal(421, code)
    assert.is_true(socket.gettime() - began >= 2.5)
    c:close()
  end)

  it("answers a client that sends all at once and closes its side", function()
    local c = assert(socket.connect("127.0.0.1", s.ports.mta))
    c:send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n" ..
      "Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
    c:shutdown("send")
    c:settimeout(5)
    local text = c:receive("*a")
    assert.is_truthy(text:find("\r\n354 [^\n]*\r\n250 [^\n]*\r\n221 [^\n]*\r\n$"), text)
  end)

  it("does not feed commands to a client that reads no replies", function()
    local c = assert(socket.connect("127.0.0.1", s.ports.mta))
    c:setoption("tcp-nodelay", true)
    c:settimeout(0.2)
    local sent = 0
    local block = ("NOOP\r\n"):rep(1000)
    for _ = 1, 2000 do
      local n, problem, partial = c:send(block)
      sent = sent + (n or partial or 0)
      if problem then break end
    end
    c:close()
    assert.is_true(sent < 2000 * #block, "the server took everything")
  end)
end)
