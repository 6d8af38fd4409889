-- Starting and stopping as an operator sees it.
local server = require "spec.support.server"
local process = require("spec.support.bind")("process")
local socket = require "socket"
local tree = require "spec.support.tree"

describe("the master", function()
  it("keeps its pid file locked: a second server with the same runtime is refused by pid", function()
    local s = server.start()
    local other = server.start { start = false, users = {} }
    other:configure { runtime = s.dir .. "/run" }
    local code, output = server.run({ server.binary, "run", "-c", other.config_file }, nil, nil, 10)
    assert.equal(71, code, output)
    assert.is_truthy(output:find("runs already as process " .. s.pid, 1, true), output)
    assert.equal(s.pid .. "\n", tree.read(s.dir .. "/run/moonpost.pid"))
    other:discard()
    s:stop()
  end)

  it("closes at once at the second Ctrl-C", function()
    local s = server.start { config = { stop_grace = 30 } }
    local c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:command("MAIL FROM:<x@y.example>")
    c:command("RCPT TO:<bob@example.test>")
    assert.equal(354, (c:command("DATA")))
    local began = socket.gettime()
    s:signal("INT")
    assert.is_truthy(s:wait_log("stopping"))
    assert.is_true(s:alive())
    s:signal("INT")
    local how, code
    repeat
      how, code = process.reap(s.pid)
      socket.sleep(0.01)
    until how or socket.gettime() - began > 10
    assert.same({ "exited", 0 }, { how, code })
    assert.is_true(socket.gettime() - began < 5)
    s.pid = nil
    s:stop()
  end)

  it("takes no new clients while it stops", function()
    local s = server.start { config = { stop_grace = 10 } }
    local c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:command("MAIL FROM:<x@y.example>")
    c:command("RCPT TO:<bob@example.test>")
    assert.equal(354, (c:command("DATA")))
    s:signal("TERM")
    assert.is_truthy(s:wait_log("stopping"))
    socket.sleep(0.1)
    local late, why = socket.connect("127.0.0.1", s.ports.mta)
    assert.is_nil(late)
    assert.equal("connection refused", why)
    assert.equal(250, (c:command("Subject: x\r\n\r\nx\r\n.")))
    s:stop()
  end)

  it("leaves no socket behind", function()
    local s = server.start()
    assert.is_true(tree.exists(s.dir .. "/run/control.sock"))
    assert.is_true(tree.exists(s.dir .. "/store/sock"))
    assert.same({ "exited", 0 }, { s:finish() })
    assert.is_false(tree.exists(s.dir .. "/run/control.sock"))
    assert.is_false(tree.exists(s.dir .. "/store/sock"))
    s:stop()
  end)

  it("opens its log file anew on SIGUSR1, in all processes", function()
    local s = server.start { config = function(x)
      return { log = { target = "file", path = x.dir .. "/mail.log", level = "debug" } }
    end }
    assert.is_truthy(tree.read(s.dir .. "/mail.log"):find("ready", 1, true))
    os.rename(s.dir .. "/mail.log", s.dir .. "/mail.log.1")
    s:signal("USR1")
    local deadline = socket.gettime() + 5
    repeat socket.sleep(0.01) until tree.exists(s.dir .. "/mail.log") or socket.gettime() > deadline
    local text
    repeat
      s:connect("mta"):close()
      socket.sleep(0.02)
      text = tree.read(s.dir .. "/mail.log")
    until text:find("worker.1 connected", 1, true) and text:find("worker.2 connected", 1, true)
      or socket.gettime() > deadline
    assert.is_truthy(text:find("worker.%d connected"), text)
    s:stop()
  end)

  it("tells a service manager when it is ready and when it stops", function()
    local unix = require "socket.unix"
    local s = server.start { start = false }
    local manager = assert(unix.dgram())
    assert(manager:bind(s.dir .. "/notify"))
    manager:settimeout(10)
    local pid = assert(process.spawn({ "env", "NOTIFY_SOCKET=" .. s.dir .. "/notify",
      server.binary, "run", "-c", s.config_file }, nil, s.log_file))
    assert.equal("READY=1", manager:receive())
    process.kill(pid, "TERM")
    assert.equal("STOPPING=1", manager:receive())
    while not process.reap(pid) do socket.sleep(0.005) end
    manager:close()
    s:discard()
  end)
end)
