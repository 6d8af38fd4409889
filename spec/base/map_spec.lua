local base = require("spec.support.bind")("base")

describe("map", function()
  it("is empty at first", function()
    local m = base.map()
    assert.is_nil(m:get("a"))
    assert.is_nil(m:remove("a"))
    assert.same({}, m:first(10))
  end)

  it("tells keys apart by every octet", function()
    local m = base.map()
    for i, key in ipairs { "", "a", "a\0", "a\0\0", "A", "aaaaaaaa", "aaaaaaaaa" } do
      assert.is_nil(m:put(key, i))
    end
    assert.equal(7, m:count())
    assert.equal(1, m:get(""))
    assert.equal(3, m:get("a\0"))
    assert.equal(4, m:get("a\0\0"))
    assert.equal(7, m:get("aaaaaaaaa"))
  end)

  it("hands back the value that is replaced or removed", function()
    local m = base.map()
    m:put("k", 1)
    assert.equal(1, m:put("k", 2))
    assert.equal(1, m:count())
    assert.equal(2, m:remove("k"))
    assert.is_nil(m:get("k"))
    assert.equal(0, m:count())
  end)

  it("grows without losing anything", function()
    local m, all = base.map(), {}
    for i = 1, 5000 do
      m:put("key" .. i, i)
      all["key" .. i] = i
    end
    assert.same(all, m:first(10000))
    for i = 1, 5000, 2 do assert.equal(i, m:remove("key" .. i)) end
    for i = 1, 5000 do
      assert.equal(i % 2 == 0 and i or nil, m:get("key" .. i))
    end
    assert.equal(2500, m:count())
  end)

  it("stops a walk when it is told to", function()
    local m, seen = base.map(), 0
    for i = 1, 100 do m:put("k" .. i, i) end
    for _ in pairs(m:first(5)) do seen = seen + 1 end
    assert.equal(5, seen)
  end)

  it("is usable again after it was freed", function()
    local m = base.map()
    m:put("a", 1)
    m:free()
    assert.is_nil(m:get("a"))
    m:put("b", 2)
    assert.equal(2, m:get("b"))
  end)
end)
