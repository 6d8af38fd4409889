-- Limits that a client meets before it may speak.
local server = require "spec.support.server"
local socket = require "socket"

local function gone(s, count)
  local dkjson = require "dkjson"
  local deadline = socket.gettime() + 5
  repeat
    local _, output = s:command { "status", "--json" }
    local sessions = (dkjson.decode(output) or {}).sessions
    if sessions and sessions.smtp + sessions.pop3 == count then return true end
    socket.sleep(0.02)
  until socket.gettime() > deadline
end

describe("max_sessions_per_ip", function()
  local s

  setup(function()
    s = server.start { config = { workers = 3, max_sessions_per_ip = 4, proxy_trusted = { "127.0.0.1" } } }
  end)
  teardown(function() s:stop() end)

  it("counts over all workers and both protocols, and gives places back", function()
    local open = {}
    for i = 1, 4 do
      open[i] = s:connect(i % 2 == 0 and "mta" or "pop3")
      open[i]:line()
    end
    local fifth = s:connect("mta")
    assert.is_truthy(fifth:line():find("^421 4%.7%.0 mail%.example%.test Too many connections from your address"))
    assert.is_true(fifth:closed())
    fifth = s:connect("pop3")
    assert.is_truthy(fifth:line():find("^%-ERR %[SYS/TEMP%] Too many connections"))
    assert.is_true(fifth:closed())
    open[1]:close()
    open[2]:close()
    assert.is_true(gone(s, 2))
    for _ = 1, 2 do
      local c = s:connect("mta")
      assert.is_truthy(c:line():find("^220 "))
      open[#open + 1] = c
    end
    for _, c in ipairs(open) do c:close() end
    assert.is_true(gone(s, 0))
  end)

  it("closes without a word where TLS comes first", function()
    local open = {}
    for i = 1, 4 do
      open[i] = s:connect("mta")
      open[i]:line()
    end
    local raw = assert(socket.connect("127.0.0.1", s.ports.pop3s))
    raw:settimeout(2)
    local _, problem = raw:receive(1)
    assert.equal("closed", problem)
    for _, c in ipairs(open) do c:close() end
    assert.is_true(gone(s, 0))
  end)
end)

describe("max_sessions", function()
  it("refuses what is too much for a worker, for now", function()
    local s = server.start { config = { workers = 1, max_sessions = 2 } }
    local one, two = s:connect("mta"), s:connect("pop3")
    one:line()
    two:line()
    local three = s:connect("mta")
    assert.is_truthy(three:line():find("^421 4%.3%.2 "))
    assert.is_true(three:closed())
    one:close()
    two:close()
    s:stop()
  end)
end)

describe("submission services", function()
  it("want a login before mail", function()
    local s = server.start()
    local c = s:connect("submission")
    c:reply()
    c:command("EHLO client.example")
    assert.equal(530, (c:command("MAIL FROM:<alice@example.test>")))
    c:close()
    s:stop()
  end)
end)
