local kit = require "spec.net.kit"
local net = kit.net
local it_ipv6 = kit.has_ipv6() and it or pending

describe("address_parse", function()
  it("reads IPv4, IPv6 in brackets, and the wildcard", function()
    assert.same({ ip = "127.0.0.1", port = 2525, ipv6 = false }, net.address("127.0.0.1:2525"))
    assert.same({ ip = "::1", port = 2525, ipv6 = true }, net.address("[::1]:2525"))
    assert.same({ ip = "*", port = 25, ipv6 = false }, net.address("*:25"))
    assert.same({ ip = "*", port = 25, ipv6 = false }, net.address(":25"))
    assert.same({ ip = "::", port = 0, ipv6 = true }, net.address("[::]:0"))
  end)

  it("refuses everything else", function()
    for _, text in ipairs {
      "", "25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
      "127.0.0:25", "256.0.0.1:25", "::1:25", "[::1]25", "[::1]", "[]:25", "[127.0.0.1]:25",
      "localhost:25", "[::1]:25 ", " 127.0.0.1:25", "**:25", ("1"):rep(60) .. ":25",
    } do
      local a, status = net.address(text)
      assert.is_nil(a, text)
      assert.equal("SYNTAX", status)
    end
  end)

  it("is the inverse of address_format", function()
    for _, text in ipairs { "127.0.0.1:2525", "[::1]:25", "*:587", "[2001:db8::1]:65535" } do
      assert.equal(text, net.address_format(text))
    end
  end)
end)

describe("listen_open", function()
  it("takes a free port with port 0 and says which", function()
    local fd = assert(net.listen("127.0.0.1:0"))
    local at = net.local_address(fd)
    assert.equal("127.0.0.1", at.ip)
    assert.is_true(at.port > 0)
    net.close(fd)
  end)

  it("fails with the system's reason when the port is taken", function()
    local fd = assert(net.listen("127.0.0.1:0"))
    local taken = "127.0.0.1:" .. net.local_address(fd).port
    local again, why = net.listen(taken)
    assert.is_nil(again)
    assert.equal("Address already in use", why)
    net.close(fd)
    net.close((assert(net.listen(taken))))
  end)

  it_ipv6("keeps IPv6 sockets to IPv6, so that both families may have the port", function()
    local six = assert(net.listen("[::1]:0"))
    local port = net.local_address(six).port
    local four = assert(net.listen("127.0.0.1:" .. port))
    net.close(six)
    local fd = assert(net.connect("127.0.0.1:" .. port))
    net.close(fd)
    net.close(four)
  end)
end)

describe("acceptor", function()
  local fd, port, got, acceptor

  local function open(address)
    fd = assert(net.listen(address))
    port = net.local_address(fd).port
    got = {}
    acceptor = net.acceptor(fd, function(client, peer, here)
      got[#got + 1] = { fd = client, peer = peer, here = here }
    end)
  end

  after_each(function()
    acceptor:free()
    for _, one in ipairs(got) do net.close(one.fd) end
    net.close(fd)
  end)

  it("gives connections with the addresses of both ends", function()
    open("127.0.0.1:0")
    local client = assert(net.connect("127.0.0.1:" .. port))
    assert.is_true(net.run(1000, function() return got[1] end))
    assert.same(net.local_address(client), got[1].peer)
    assert.same({ ip = "127.0.0.1", port = port, ipv6 = false }, got[1].here)
    net.send(client, "x")
    net.run(5)
    assert.equal("x", net.recv(got[1].fd))
    net.close(client)
  end)

  it_ipv6("works over IPv6", function()
    open("[::1]:0")
    local client = assert(net.connect("[::1]:" .. port))
    assert.is_true(net.run(1000, function() return got[1] end))
    assert.equal("::1", got[1].peer.ip)
    assert.is_true(got[1].peer.ipv6)
    net.close(client)
  end)

  it_ipv6("on the wildcard takes both families and names the address the client reached", function()
    open("*:0")
    local four = assert(net.connect("127.0.0.1:" .. port))
    local six = assert(net.connect("[::1]:" .. port))
    assert.is_true(net.run(1000, function() return #got == 2 end))
    assert.same({ ip = "127.0.0.1", port = port, ipv6 = false }, got[1].here)
    assert.equal("127.0.0.1", got[1].peer.ip)
    assert.is_false(got[1].peer.ipv6)
    assert.same({ ip = "::1", port = port, ipv6 = true }, got[2].here)
    net.close(four)
    net.close(six)
  end)

  it("takes many that came at once", function()
    open("127.0.0.1:0")
    local clients = {}
    for i = 1, 50 do clients[i] = assert(net.connect("127.0.0.1:" .. port)) end
    assert.is_true(net.run(2000, function() return #got == 50 end))
    for _, client in ipairs(clients) do net.close(client) end
  end)

  it("leaves connections in the queue while it is paused", function()
    open("127.0.0.1:0")
    acceptor:pause(true)
    local client = assert(net.connect("127.0.0.1:" .. port))
    net.run(20)
    assert.equal(0, #got)
    acceptor:pause(false)
    assert.is_true(net.run(1000, function() return #got == 1 end))
    net.close(client)
  end)

  it("may be freed inside its own callback", function()
    fd = assert(net.listen("127.0.0.1:0"))
    port = net.local_address(fd).port
    got = {}
    acceptor = net.acceptor(fd, function(client)
      got[#got + 1] = { fd = client }
      acceptor:free()
    end)
    local one = assert(net.connect("127.0.0.1:" .. port))
    local two = assert(net.connect("127.0.0.1:" .. port))
    assert.is_true(net.run(1000, function() return got[1] end))
    net.run(20)
    assert.equal(1, #got)
    net.close(one)
    net.close(two)
  end)

  it("out of descriptors rests, says so once, and goes on when there are some again #slow", function()
    open("127.0.0.1:0")
    local client = assert(net.connect("127.0.0.1:" .. port))
    local directory = kit.directory()
    local cpu
    local log = kit.log_of(directory, function()
      local limit = net.descriptor_limit(client + 1)
      cpu = os.clock()
      net.run(250)
      cpu = os.clock() - cpu
      net.descriptor_limit(limit)
    end)
    kit.remove(directory)
    assert.equal(0, #got)
    assert.matches("cannot accept connections listener=127.0.0.1:" .. port .. " .*ulimit %-n", log)
    assert.equal(1, select(2, log:gsub("\n", "")), "it complains once")
    assert.is_true(cpu < 0.03, "it does not spin")
    assert.is_true(net.run(1000, function() return #got == 1 end))
    net.close(client)
  end)
end)
