-- The PROXY protocol (version 1 and 2): the client's true address from trusted peers, and nobody else.
local server = require "spec.support.server"

local V2 = "\r\n\r\n\0\r\nQUIT\n"

local function v2(command, source, target, source_port, target_port)
  local function ip(text)
    local octets = {}
    for n in text:gmatch("%d+") do octets[#octets + 1] = string.char(math.tointeger(tonumber(n))) end
    return table.concat(octets)
  end
  local body = ip(source) .. ip(target) .. string.pack(">I2I2", source_port, target_port)
  return V2 .. string.char(0x20 | command, 0x11) .. string.pack(">I2", #body) .. body
end

describe("a PROXY header", function()
  local s

  local function listeners(sv)
    return { listeners = {
      { service = "mta", address = { "127.0.0.1:" .. sv.ports.mta }, proxy = true },
      { service = "pop3", address = { "127.0.0.1:" .. sv.ports.pop3 }, proxy = true },
      { service = "pop3s", address = { "127.0.0.1:" .. sv.ports.pop3s }, proxy = true },
    }, proxy_trusted = { "127.0.0.0/8" } }
  end

  setup(function() s = server.start { config = listeners } end)
  teardown(function() s:stop() end)

  ---The address in the Received field of a message sent behind that header.
  local function recorded(header)
    local c = s:connect("mta", { proxy = header })
    assert.equal(220, (c:reply()))
    c:command("EHLO client.example")
    assert.is_true((c:mail("x@y.example", "bob@example.test", "Subject: p\r\n\r\nx\r\n")))
    c:close()
    c = s:connect("pop3", { proxy = "PROXY UNKNOWN\r\n" })
    c:line()
    c:ask("USER bob@example.test")
    assert.is_truthy(c:ask("PASS bob-secret"):find("^%+OK"))
    local count = c:ask("STAT"):match("^%+OK (%d+)")
    local _, text = c:fetch("RETR " .. count)
    c:ask("QUIT")
    c:close()
    return text:match("Received: from .-%[([^%]]+)%]")
  end

  it("of version 1 gives the client's address", function()
    assert.equal("192.0.2.33", recorded("PROXY TCP4 192.0.2.33 192.0.2.1 40000 25\r\n"))
    assert.equal("IPv6:2001:db8::7", recorded("PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n"))
  end)

  it("of version 2 gives the client's address", function()
    assert.equal("192.0.2.44", recorded(v2(1, "192.0.2.44", "192.0.2.1", 40000, 25)))
  end)

  it("that says LOCAL or UNKNOWN leaves the peer's own", function()
    assert.equal("127.0.0.1", recorded("PROXY UNKNOWN\r\n"))
    assert.equal("127.0.0.1", recorded(v2(0, "192.0.2.44", "192.0.2.1", 40000, 25)))
  end)

  it("may come in one write with the client's first octets, and before TLS", function()
    local c = s:connect("mta", { proxy = "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO client.example\r\n" })
    assert.equal(220, (c:reply()))
    assert.equal(250, (c:reply()))
    c:close()
    c = s:connect("pop3s", { proxy = "PROXY TCP4 192.0.2.1 192.0.2.2 1 995\r\n" })
    assert.is_truthy(c:line():find("^%+OK"))
    c:close()
  end)

  it("that is broken or missing closes the connection", function()
    for _, header in ipairs { "EHLO client.example\r\n", "PROXY TCP4 nonsense\r\n", ("P"):rep(300) .. "\r\n" } do
      local c = s:connect("mta", { proxy = header })
      assert.is_true(c:closed(5))
      c:close()
    end
  end)

  it("no longer counts as loopback: passwords in clear are refused", function()
    local c = s:connect("pop3", { proxy = "PROXY TCP4 192.0.2.1 192.0.2.2 1 110\r\n" })
    c:line()
    assert.is_truthy(c:ask("USER bob@example.test"):find("^%-ERR"))
    c:close()
  end)
end)

describe("a PROXY header from a peer that is not trusted", function()
  it("is not believed", function()
    local s = server.start { config = function(sv)
      return { listeners = {
        { service = "mta", address = { "127.0.0.1:" .. sv.ports.mta }, proxy = true },
      }, proxy_trusted = { "192.0.2.0/24" } }
    end }
    local c = s:connect("mta", { proxy = "PROXY TCP4 192.0.2.33 192.0.2.1 40000 25\r\n" })
    assert.is_true(c:closed(5))
    c:close()
    s:stop()
  end)
end)
