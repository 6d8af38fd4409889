-- What a start says when it cannot listen, and who holds the port.
local server = require "spec.support.server"
local socket = require "socket"

local function run(s)
  return server.run({ server.binary, "run", "-c", s.config_file }, nil, nil, 10)
end

describe("moonpost run", function()
  local s

  before_each(function() s = server.start { start = false, users = {} } end)
  after_each(function() s:discard() end)

  it("names the address, the holder of the port and the key to change", function()
    local held = assert(socket.bind("127.0.0.1", s.ports.pop3))
    local code, output = run(s)
    held:close()
    assert.equal(78, code, output)
    assert.is_truthy(output:find("moonpost run: [^\n]*moonpost.lua:%d+: listeners: cannot listen on 127.0.0.1:"
      .. s.ports.pop3 .. " %(pop3%): port " .. s.ports.pop3 .. " is in use by [^\n]*; stop that program or change"),
      output)
  end)

  it("says which address this machine does not have", function()
    s:configure { listeners = { { service = "mta", address = { "192.0.2.77:2525" } } } }
    local code, output = run(s)
    assert.equal(78, code)
    assert.is_truthy(output:find("no such address", 1, true), output)
  end)

  it("tells all that is wrong at once", function()
    local held = assert(socket.bind("127.0.0.1", s.ports.pop3))
    s:configure { tls = { certificates = { { chain = "missing.pem", key = "missing.key" } } } }
    local code, output = run(s)
    held:close()
    assert.equal(78, code)
    assert.is_truthy(output:find("missing", 1, true), output)
  end)

  it("takes a free port for port 0 and says which", function()
    s:configure { listeners = { { service = "mta", address = { "127.0.0.1:0" } } } }
    s:launch()
    local port = s:log():match("ready: mta 127%.0%.0%.1:(%d+)")
    assert.is_truthy(port)
    local c = assert(socket.connect("127.0.0.1", tonumber(port)))
    assert.is_truthy(c:receive("*l"):find("^220 "))
    c:close()
    assert.same({ "exited", 0 }, { s:finish() })
  end)
end)
