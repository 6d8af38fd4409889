local net = require("spec.support.bind")("net")

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"

local function v2(command, family, body, length)
  return SIGNATURE .. string.char(command, family) .. string.pack(">I2", length or #body) .. body
end

local function tlv(kind, value)
  return string.pack(">B", kind) .. string.pack(">s2", value)
end

local ADDRESSES_4 = "\192\0\2\1" .. "\198\51\100\2" .. string.pack(">I2I2", 4711, 25)
local ADDRESSES_6 = "\x20\x01\x0d\xb8" .. ("\0"):rep(11) .. "\1" ..
  "\x20\x01\x0d\xb8" .. ("\0"):rep(11) .. "\2" .. string.pack(">I2I2", 4711, 25)

local function address(ip, port, ipv6)
  return { ip = ip, port = port, ipv6 = ipv6 or false }
end

local function refused(octets)
  local header, status = net.proxy(octets)
  assert.is_nil(header)
  assert.equal("SYNTAX", status, ("%q"):format(octets))
end

---Every proper prefix is incomplete, the whole is taken, and what follows is left.
local function accepted(octets)
  for cut = 0, #octets - 1 do
    local header, status = net.proxy(octets:sub(1, cut))
    assert.is_nil(header)
    assert.equal("AGAIN", status, "cut at " .. cut)
  end
  assert.equal("", assert(net.proxy(octets)).rest)
  local header = assert(net.proxy(octets .. "EHLO x\r\n"))
  assert.equal("EHLO x\r\n", header.rest)
  return header
end

describe("PROXY version 1", function()
  it("gives the addresses of TCP4 and TCP6, however it is split", function()
    local header = accepted("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n")
    assert.same(address("192.0.2.1", 4711), header.source)
    assert.same(address("198.51.100.2", 25), header.destination)
    assert.is_false(header.is_local)
    assert.is_false(header.tls)
    header = accepted("PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n")
    assert.same(address("2001:db8::1", 65535, true), header.source)
    assert.same(address("2001:db8::2", 0, true), header.destination)
  end)

  it("takes UNKNOWN as the connection's own addresses, whatever follows", function()
    assert.is_true(accepted("PROXY UNKNOWN\r\n").is_local)
    assert.is_true(accepted("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").is_local)
    assert.is_true(accepted("PROXY UNKNOWN a b c d e f g\r\n").is_local)
  end)

  it("is at most 107 octets", function()
    local long = "PROXY UNKNOWN " .. ("f"):rep(107 - 16) .. "\r\n"
    assert.equal(107, #long)
    accepted(long)
    refused("PROXY UNKNOWN " .. ("f"):rep(108 - 16) .. "\r\n")
    refused("PROXY UNKNOWN " .. ("f"):rep(200))
  end)

  it("is refused unless it is exactly a header", function()
    for _, line in ipairs {
      "PROXY TCP4 192.0.2.1 198.51.100.2 4711",
      "PROXY TCP4 192.0.2.1 198.51.100.2 4711 ",
      "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25 ",
      "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25 9",
      "PROXY TCP4  192.0.2.1 198.51.100.2 4711 25",
      "PROXY TCP4 192.0.2.1 198.51.100.2 04711 25",
      "PROXY TCP4 192.0.2.1 198.51.100.2 65536 25",
      "PROXY TCP4 192.0.2.1 198.51.100.2 -1 25",
      "PROXY TCP4 192.0.2.256 198.51.100.2 4711 25",
      "PROXY TCP4 192.0.2.1\0 198.51.100.2 4711 25",
      "PROXY TCP4 2001:db8::1 2001:db8::2 4711 25",
      "PROXY TCP6 192.0.2.1 198.51.100.2 4711 25",
      "PROXY TCP5 192.0.2.1 198.51.100.2 4711 25",
      "PROXY tcp4 192.0.2.1 198.51.100.2 4711 25",
      "PROXY UNKNOWNX",
      "PROXY ",
      "PROXY",
    } do
      refused(line .. "\r\n")
    end
    refused("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\n")
    refused("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\rX")
    refused("PROXY TCP4 192.0.2.1\n198.51.100.2 4711 25\r\n")
  end)
end)

describe("PROXY version 2", function()
  it("gives the addresses of TCP over IPv4 and IPv6, however it is split", function()
    local header = accepted(v2(0x21, 0x11, ADDRESSES_4))
    assert.same(address("192.0.2.1", 4711), header.source)
    assert.same(address("198.51.100.2", 25), header.destination)
    assert.is_false(header.is_local)
    assert.is_false(header.tls)
    header = accepted(v2(0x21, 0x21, ADDRESSES_6))
    assert.same(address("2001:db8::1", 4711, true), header.source)
    assert.same(address("2001:db8::2", 25, true), header.destination)
  end)

  it("takes LOCAL, unspecified and UNIX as the connection's own addresses", function()
    assert.is_true(accepted(v2(0x20, 0x00, "")).is_local)
    assert.is_true(accepted(v2(0x20, 0x11, ADDRESSES_4)).is_local)
    assert.is_true(accepted(v2(0x21, 0x00, "whatever")).is_local)
    assert.is_true(accepted(v2(0x21, 0x31, ("\0"):rep(216))).is_local)
  end)

  it("skips what it does not know and sees that the client used TLS", function()
    local function tls(client)
      local ssl = tlv(0x20, string.char(client) .. "\0\0\0\0" .. tlv(0x21, "TLSv1.3"))
      return accepted(v2(0x21, 0x11, ADDRESSES_4 .. tlv(0x04, ("x"):rep(20)) .. ssl)).tls
    end
    assert.is_true(tls(0x01))
    assert.is_true(tls(0x07))
    assert.is_false(tls(0x00))
    assert.is_false(tls(0x06))
    assert.is_false(accepted(v2(0x21, 0x11, ADDRESSES_4 .. tlv(0xea, "vpc"))).tls)
  end)

  it("is refused with values that do not exist", function()
    refused(v2(0x22, 0x11, ADDRESSES_4))
    refused(v2(0x11, 0x11, ADDRESSES_4))
    refused(v2(0x31, 0x11, ADDRESSES_4))
    refused(v2(0x21, 0x12, ADDRESSES_4))
    refused(v2(0x21, 0x22, ADDRESSES_6))
    refused(v2(0x21, 0x41, ADDRESSES_4))
  end)

  it("is refused when lengths do not fit", function()
    refused(v2(0x21, 0x11, ADDRESSES_4:sub(1, -2)))
    refused(v2(0x21, 0x21, ADDRESSES_4))
    refused(v2(0x21, 0x11, ADDRESSES_4 .. "\4"))
    refused(v2(0x21, 0x11, ADDRESSES_4 .. "\4\0\5abc"))
    refused(v2(0x21, 0x11, ADDRESSES_4 .. tlv(0x20, "\1\0\0\0")))
    refused(v2(0x21, 0x11, ADDRESSES_4 .. tlv(0x20, "\1\0\0\0\0" .. "\x21\0\9abc")))
  end)

  it("is at most 536 octets", function()
    local room = 536 - 16 - #ADDRESSES_4 - 3
    accepted(v2(0x21, 0x11, ADDRESSES_4 .. tlv(0x04, ("x"):rep(room))))
    refused(v2(0x21, 0x11, ADDRESSES_4 .. tlv(0x04, ("x"):rep(room + 1))))
    refused(v2(0x21, 0x11, "", 65535))
  end)
end)

describe("what is no PROXY header", function()
  it("is refused with its first octet that differs", function()
    for _, octets in ipairs { "E", "EHLO x\r\n", "\r\n\r\nX", "PROXX", "P\r", "\22\3\1", "\0", "\r\n\r\n\0\r\nQUIX" } do
      refused(octets)
    end
  end)

  it("never makes the parser read or write out of bounds", function()
    math.randomseed(11)
    local seeds = {
      "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n",
      v2(0x21, 0x11, ADDRESSES_4 .. tlv(0x20, "\1\0\0\0\0" .. tlv(0x21, "TLSv1.3"))),
    }
    for _ = 1, 5000 do
      local octets = { seeds[math.random(#seeds)]:byte(1, -1) }
      for _ = 1, math.random(3) do octets[math.random(#octets)] = math.random(0, 255) end
      net.proxy(string.char(table.unpack(octets)))
    end
  end)
end)
