-- Commands that ask the running server.
local server = require "spec.support.server"
local dkjson = require "dkjson"
local process = require("spec.support.bind")("process")
local socket = require "socket"
local tree = require "spec.support.tree"

describe("a running server", function()
  local s

  before_each(function() s = server.start() end)
  after_each(function() s:stop() end)

  it("tells its status to people and to machines", function()
    local code, output = s:command { "status" }
    assert.equal(0, code)
    assert.is_truthy(output:find("worker.1", 1, true), output)
    assert.is_truthy(output:find("accepted octets", 1, true), output)
    assert.is_true((s:deliver("x@y.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n")))
    code, output = s:command { "status", "--json" }
    assert.equal(0, code)
    assert.equal(1, math.tointeger(dkjson.decode(output).totals.accepted))
  end)

  it("stops when told, and the command waits for the end", function()
    local code, output = s:command { "stop" }
    assert.equal(0, code, output)
    assert.is_truthy(output:find("stopped", 1, true))
    local how, exit
    local deadline = socket.gettime() + 2
    repeat
      how, exit = process.reap(s.pid)
      socket.sleep(0.005)
    until how or socket.gettime() > deadline
    assert.same({ "exited", 0 }, { how, exit })
    s.pid = nil
    assert.equal(69, (s:command { "status" }))
  end)

  it("shows dialogues to a trace", function()
    local out = s.dir .. "/trace"
    local pid = assert(process.spawn({ server.binary, "trace", "-c", s.config_file, "--protocol", "pop3" }, nil, out))
    local deadline = socket.gettime() + 5
    local text
    repeat
      local m = s:maildrop("bob@example.test")
      m:ask("QUIT")
      m:close()
      text = tree.read(out)
    until text:find("C: USER.*C: QUIT") or socket.gettime() > deadline
    process.kill(pid, "TERM")
    while not process.reap(pid) do socket.sleep(0.005) end
    text = tree.read(out)
    assert.is_truthy(text:find("C: USER bob@example.test", 1, true), text)
    assert.is_truthy(text:find("C: PASS ", 1, true), text)
    assert.is_nil(text:find("bob-secret", 1, true), text)
    assert.is_truthy(text:find("S: +OK ", 1, true), text)
  end)
end)
