-- The control socket as programs use it.
local server = require "spec.support.server"
local dkjson = require "dkjson"
local unix = require "socket.unix"
local lfs = require "lfs"

describe("the control socket", function()
  local s

  setup(function() s = server.start { config = { smtp = { max_idle_commands = 0 } } } end)
  teardown(function() s:stop() end)

  local function connect()
    local c = assert(unix.stream())
    assert(c:connect(s.dir .. "/run/control.sock"))
    c:settimeout(5)
    return c
  end

  local function ask(c, text)
    c:send(text .. "\n")
    return dkjson.decode((assert(c:receive("*l"))))
  end

  it("belongs to its owner alone", function()
    assert.equal("rw-------", lfs.attributes(s.dir .. "/run/control.sock", "permissions"))
  end)

  it("tells processes, sessions, totals and the store's numbers", function()
    local c, client = connect(), s:connect("mta")
    client:reply()
    local status = ask(c, '{"command":"status"}')
    assert.is_true(status.ok)
    assert.equal("running", status.state)
    assert.equal(s.pid, math.tointeger(status.pid))
    assert.equal(#server.services, #status.listeners)
    assert.equal(3, #status.processes)
    assert.equal(1, math.tointeger(status.sessions.smtp))
    assert.is_true(status.totals.smtp_sessions >= 1)
    assert.is_number(status.store.commit_us_p50)
    client:close()
    c:close()
  end)

  it("answers nonsense with an error and goes on", function()
    local c = connect()
    for _, text in ipairs { "nonsense", "{}", '{"command":7}', '{"command":"dance"}' } do
      local answer = ask(c, text)
      assert.is_false(answer.ok)
      assert.is_string(answer.errors)
    end
    assert.is_true(ask(c, '{"command":"status"}').ok)
    c:close()
  end)

  it("streams the lines of sessions that match, secrets masked", function()
    local c = connect()
    assert.is_true(ask(c, '{"command":"trace","filter":{"protocol":"smtp"}}').ok)
    local pop = s:connect("pop3")
    pop:line()
    pop:ask("USER alice@example.test")
    pop:close()
    local client = s:connect("mta")
    client:reply()
    client:command("EHLO client.example")
    client:command("AUTH PLAIN AGFsaWNlAGhlbGxvLXNlY3JldA==")
    client:command("QUIT")
    local lines = {}
    repeat
      local event = dkjson.decode((assert(c:receive("*l"))))
      assert.equal("smtp", event.protocol)
      lines[#lines + 1] = (event.event == "command" and "C: " or "S: ") .. (event.line or event.event)
    until event.event == "disconnect"
    local text = table.concat(lines, "\n")
    assert.is_truthy(text:find("C: EHLO client.example", 1, true), text)
    assert.is_truthy(text:find("S: 250 HELP", 1, true), text)
    assert.is_truthy(text:find("C: AUTH PLAIN", 1, true), text)
    assert.is_nil(text:find("AGFsaWNl", 1, true), text)
    assert.is_truthy(text:find("S: 221 ", 1, true), text)
    c:close()
  end)

  it("refuses filters it does not know, and more traces than it can serve", function()
    local clients = {}
    local c = connect()
    assert.is_false(ask(c, '{"command":"trace","filter":{"colour":"red"}}').ok)
    c:close()
    for i = 1, 16 do
      clients[i] = connect()
      assert.is_true(ask(clients[i], '{"command":"trace","filter":{"session":"none"}}').ok)
    end
    c = connect()
    assert.is_false(ask(c, '{"command":"trace"}').ok)
    clients[1]:close()
    local deadline = require("socket").gettime() + 5
    local ok
    repeat ok = ask(c, '{"command":"trace"}').ok until ok or require("socket").gettime() > deadline
    assert.is_true(ok)
    for _, client in ipairs(clients) do client:close() end
    c:close()
  end)

  it("traces sessions of workers that start later", function()
    local process = require("spec.support.bind")("process")
    local c = connect()
    assert.is_true(ask(c, '{"command":"trace"}').ok)
    for _, pid in ipairs(s:pids("worker")) do process.kill(pid, "KILL") end
    local client
    repeat
      client = s:connect("mta")
      local greeted = client:receive(5)
    until greeted
    client:send("QUIT\r\n")
    local seen
    repeat
      seen = dkjson.decode((assert(c:receive("*l"))))
    until seen.line == "QUIT"
    client:close()
    c:close()
  end)

  it("does not suffer from a trace that nobody reads", function()
    local c = connect()
    assert.is_true(ask(c, '{"command":"trace"}').ok)
    local client = s:connect("mta")
    client:reply()
    client:command("EHLO client.example")
    for _ = 1, 100 do
      client:send(("RSET\r\n"):rep(100))
      for _ = 1, 100 do assert.equal(250, (client:reply())) end
    end
    client:close()
    c:close()
    local again = connect()
    assert.is_true(ask(again, '{"command":"status"}').ok)
    again:close()
  end)
end)
