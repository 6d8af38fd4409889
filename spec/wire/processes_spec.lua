-- Start, stop, reload: what an operator does, seen from outside.
local server = require "spec.support.server"
local process = require("spec.support.bind")("process")
local socket = require "socket"

describe("moonpost run", function()
  it("says in one line that it is ready and what listens where", function()
    local s = server.start()
    local line = s:log():match("moonpost %S+ ready:[^\n]*")
    for _, service in ipairs(server.services) do
      assert.is_truthy(line:find(tostring(s.ports[service]), 1, true), line)
    end
    s:stop()
  end)

  it("prints the welcome text behind it", function()
    local s = server.start { start = false }
    local file = assert(io.open(s.dir .. "/welcome", "w"))
    file:write("Hello, newcomer\n")
    file:close()
    s.pid = assert(process.spawn({ server.binary, "run", "-c", s.config_file, "--welcome", s.dir .. "/welcome" },
      nil, s.log_file))
    assert.is_truthy(s:wait_log("ready.*Hello, newcomer\n", 15), s:log())
    s:stop()
  end)

  it("names the port that is in use and the key to change", function()
    local s = server.start()
    local other = server.start { start = false, config = {
      listeners = { { service = "pop3", address = { "127.0.0.1:" .. s.ports.mta } } },
    } }
    local code, output = server.run({ server.binary, "run", "-c", other.config_file }, nil, 10)
    assert.is_true(code ~= 0 and code ~= 124, output)
    assert.is_truthy(output:find(tostring(s.ports.mta), 1, true), output)
    assert.is_truthy(output:find("listeners", 1, true), output)
    other:discard()
    s:stop()
  end)

  it("refuses a second server on the same store", function()
    local s = server.start()
    local text = require("spec.support.tree").read(s.config_file)
    local other = server.start { start = false, users = {} }
    local config = load(text)()
    config.listeners = { { service = "pop3", address = { "127.0.0.1:" .. other.ports.pop3 } } }
    config.store.path = s.dir .. "/store"
    config.runtime = other.dir .. "/run"
    other:configure(config)
    local code, output = server.run({ server.binary, "run", "-c", other.config_file }, nil, 5)
    assert.is_true(code ~= 0 and code ~= 124, output)
    assert.is_truthy(output:find("store", 1, true), output)
    other:discard()
    s:stop()
  end)

  for _, signal in ipairs { "TERM", "INT" } do
    it("ends cleanly on SIG" .. signal .. ": idle sessions are told, running commands are finished", function()
      local s = server.start { config = { stop_grace = 5 } }
      local idle, pop, busy = s:connect("mta"), s:connect("pop3"), s:connect("mta")
      idle:reply()
      pop:line()
      busy:reply()
      busy:command("EHLO client.example")
      busy:command("MAIL FROM:<x@y.example>")
      busy:command("RCPT TO:<bob@example.test>")
      assert.equal(354, (busy:command("DATA")))
      s:signal(signal)
      assert.equal(421, (idle:reply()))
      assert.is_true(idle:closed())
      assert.is_true(pop:closed())
      assert.equal(250, (busy:command("Subject: in time\r\n\r\nx\r\n.")))
      assert.is_true(busy:closed())
      local deadline, how, code = socket.gettime() + 10
      repeat
        how, code = process.reap(s.pid)
        socket.sleep(0.01)
      until how or socket.gettime() > deadline
      assert.same({ "exited", 0 }, { how, code })
      s.pid = nil
      s:launch()
      local drop = assert(s:maildrop("bob@example.test"))
      assert.is_truthy(drop:ask("STAT"):find("^%+OK 1 "))
      drop:close()
      s:stop()
    end)
  end

  it("does not wait longer than its grace for a client that stalls", function()
    local s = server.start { config = { stop_grace = 0.5 } }
    local busy = s:connect("mta")
    busy:reply()
    busy:command("EHLO client.example")
    busy:command("MAIL FROM:<x@y.example>")
    busy:command("RCPT TO:<bob@example.test>")
    busy:command("DATA")
    local started = socket.gettime()
    assert.same({ "exited", 0 }, { s:finish() })
    assert.is_true(socket.gettime() - started < 4)
    s:stop()
  end)

  it("is ended by `moonpost stop`, seen by `moonpost status`", function()
    local s = server.start()
    local code, output = s:command { "status", "--json" }
    assert.equal(0, code, output)
    local status = require("dkjson").decode(output)
    assert.is_table(status, output)
    code, output = s:command { "stop" }
    assert.equal(0, code, output)
    local deadline = socket.gettime() + 10
    while s:alive() and socket.gettime() < deadline do socket.sleep(0.01) end
    assert.is_nil(s.pid)
    assert.is_true((s:command { "status" }) ~= 0)
    s:stop()
  end)

  it("takes mail for workers = 1 as well", function()
    local s = server.start { config = { workers = 1 } }
    assert.equal(1, #s:pids("worker"))
    assert.is_true((s:deliver("x@y.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n")))
    s:stop()
  end)
end)

describe("a reload", function()
  local function recipient_code(s)
    local c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:command("MAIL FROM:<x@y.example>")
    local code = c:command("RCPT TO:<bob@example.test>")
    c:close()
    return code
  end

  local function wait_code(s, expected)
    local deadline, code = socket.gettime() + 10
    repeat
      code = recipient_code(s)
      if code == expected then return end
      socket.sleep(0.05)
    until socket.gettime() > deadline
    assert.equal(expected, code)
  end

  local refuse = [[
    local plugin = ...
    local mail = require "moonpost"
    plugin:hook("accept_recipient", function() return mail.reject("5.7.1", "Closed today") end)
  ]]

  it("brings new plugins, while old sessions go on as they began", function()
    local s = server.start { plugins = { policy = "local plugin = ..." } }
    local old = s:connect("mta")
    old:reply()
    old:command("EHLO client.example")
    assert.equal(250, recipient_code(s))
    local file = assert(io.open(s.dir .. "/plugins/policy.lua", "w"))
    file:write(refuse)
    file:close()
    local code, output = s:command { "reload" }
    assert.equal(0, code, output)
    wait_code(s, 550)
    assert.equal(250, (old:command("MAIL FROM:<x@y.example>")))
    assert.equal(250, (old:command("RCPT TO:<bob@example.test>")))
    assert.equal(354, (old:command("DATA")))
    assert.equal(250, (old:command("Subject: old\r\n\r\nx\r\n.")))
    old:close()
    s:stop()
  end)

  it("with a mistake in it changes nothing and says where the mistake is", function()
    local s = server.start { plugins = { policy = "local plugin = ..." } }
    local from = #s:log()
    local config = require("spec.support.tree").read(s.config_file)
    local file = assert(io.open(s.config_file, "w"))
    file:write((config:gsub("hostname", "hostnam")))
    file:close()
    s:signal("HUP")
    assert.is_truthy(s:wait_log("moonpost%.lua:%d+[^\n]*hostnam", 10, from), s:log():sub(from))
    assert.equal(250, recipient_code(s))
    local code, output = s:command { "check" }
    assert.is_true(code ~= 0)
    assert.is_truthy(output:find("hostname", 1, true), output)
    s:stop()
  end)
end)

describe("hooks on the wire", function()
  it("that wait do not hold up anybody else", function()
    local s = server.start { config = { workers = 1 }, plugins = { slow = [[
      local plugin = ...
      local mail = require "moonpost"
      plugin:hook("accept_recipient", function(_, recipient)
        if recipient.detail == "slow" then mail.sleep(1.5) end
      end)
    ]] } }
    local slow, quick = s:connect("mta"), s:connect("mta")
    for _, c in ipairs { slow, quick } do
      c:reply()
      c:command("EHLO client.example")
      c:command("MAIL FROM:<x@y.example>")
    end
    local started = socket.gettime()
    slow:send("RCPT TO:<bob+slow@example.test>\r\n")
    assert.equal(250, (quick:command("RCPT TO:<bob+quick@example.test>")))
    assert.is_true(socket.gettime() - started < 1)
    assert.equal(250, (slow:reply()))
    assert.is_true(socket.gettime() - started >= 1.4)
    slow:close()
    quick:close()
    s:stop()
  end)

  it("that fail are a tempfail and a log line with file and line, never a 250", function()
    local s = server.start { plugins = { broken = [[
      local plugin = ...
      plugin:hook("accept_recipient", function(_, recipient)
        if recipient.detail == "error" then error("no luck") end
        if recipient.detail == "type" then return "yes" end
        if recipient.detail == "hang" then while true do end end
      end)
    ]] }, config = { lua = { cpu = 0.2 } } }
    for _, how in ipairs { "error", "type", "hang" } do
      local c = s:connect("mta")
      c:reply()
      c:command("EHLO client.example")
      c:command("MAIL FROM:<x@y.example>")
      assert.equal(451, (c:command("RCPT TO:<bob+" .. how .. "@example.test>")))
      assert.equal(250, (c:command("RCPT TO:<bob@example.test>")))
      c:close()
    end
    assert.is_truthy(s:log():find("broken%.lua:%d+[^\n]*no luck"), s:log())
    s:stop()
  end)
end)
