local network = dofile "lua/moonpost/network.lua"

describe("moonpost.network", function()
  it("reads addresses of both families, and nothing else", function()
    assert.equal("\192\0\2\1", network.address "192.0.2.1")
    assert.equal("\32\1\13\184" .. ("\0"):rep(11) .. "\1", network.address "2001:db8::1")
    assert.equal(("\0"):rep(15) .. "\1", network.address "::1")
    assert.equal(("\0"):rep(16), network.address "::")
    assert.equal("\1\2\3\4", network.address "::ffff:1.2.3.4")
    for _, text in ipairs { "", "1.2.3", "1.2.3.256", "1.2.3.4.5", "1.2.3.0400", "x", ":", ":::", "1::2::3", "12345::",
      "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:", "::1.2.3", "1.2.3.4::", "g::" } do
      assert.is_nil(network.address(text), text)
    end
  end)

  it("knows which addresses a network has, to the bit", function()
    local list = assert(network.parse_all { "198.51.100.0/25", "2001:db8::/33", "192.0.2.7" })
    for ip, inside in pairs {
      ["198.51.100.127"] = true, ["198.51.100.128"] = false, ["2001:db8:7fff::1"] = true,
      ["2001:db8:8000::1"] = false, ["192.0.2.7"] = true, ["192.0.2.8"] = false, ["nonsense"] = false,
      ["::ffff:192.0.2.7"] = true,
    } do
      assert.equal(inside, network.contains(list, ip), ip)
    end
    assert.is_true(network.contains({ network.parse "0.0.0.0/0" }, "203.0.113.9"))
    assert.is_false(network.contains({ network.parse "0.0.0.0/0" }, "::1"))
  end)

  it("says what is wrong with a network", function()
    assert.matches("is no address", select(2, network.parse "10.0.0/8"))
    assert.matches("is no address", select(2, network.parse "10.0.0.0/"))
    assert.matches("at most 32 bits", select(2, network.parse "10.0.0.0/33"))
    assert.matches("at most 32 bits", select(2, network.parse_all { "10.0.0.0/8", "10.0.0.0/33" }))
  end)

  it("names the network of an address", function()
    assert.equal("192.0.2.77", network.of "192.0.2.77")
    assert.equal("192.0.2.0/24", network.of("192.0.2.77", 24))
    assert.equal("192.0.2.64/26", network.of("192.0.2.77", 26))
    assert.equal("2001:db8:1:2:0:0:0:0/64", network.of "2001:db8:1:2:3:4:5:6")
    assert.equal("nonsense", network.of "nonsense")
  end)
end)
