local kit = require "spec.net.kit"
local net = kit.net
local it_ipv6 = kit.has_ipv6() and it or pending

describe("listen_holder", function()
  local function own_pid()
    local f = assert(io.open("/proc/self/stat"))
    local pid = f:read("n")
    f:close()
    return math.tointeger(pid)
  end

  local function names_us(address)
    local fd = assert(net.listen(address .. 0))
    local text = net.holder(address .. net.local_address(fd).port)
    net.close(fd)
    assert.matches("^%S+ %(process " .. own_pid() .. "%)$", text)
  end

  it("names the process that listens on the port", function() names_us("127.0.0.1:") end)

  it_ipv6("names it for IPv6 too", function() names_us("[::1]:") end)

  it_ipv6("sees a wildcard socket that stands in the way of an address, and the reverse", function()
    local fd = assert(net.listen("*:0"))
    local port = net.local_address(fd).port
    assert.matches("process " .. own_pid(), net.holder("127.0.0.1:" .. port))
    assert.matches("process " .. own_pid(), net.holder("[::1]:" .. port))
    assert.matches("process " .. own_pid(), net.holder("*:" .. port))
    net.close(fd)
    fd = assert(net.listen("127.0.0.1:0"))
    assert.matches("process " .. own_pid(), net.holder("*:" .. net.local_address(fd).port))
    assert.matches("process " .. own_pid(), net.holder("0.0.0.0:" .. net.local_address(fd).port))
    net.close(fd)
  end)

  it("is silent about a port that is free or only connected", function()
    local fd = assert(net.listen("127.0.0.1:0"))
    local port = net.local_address(fd).port
    local client = assert(net.connect("127.0.0.1:" .. port))
    assert.equal("", net.holder("127.0.0.1:" .. net.local_address(client).port))
    assert.equal("", net.holder("127.0.0.2:" .. port))
    net.close(client)
    net.close(fd)
    assert.equal("", net.holder("127.0.0.1:" .. port))
  end)
end)
