local store = require "spec.support.bind" ("store")

describe("a histogram", function()
  it("is 0 while empty", function()
    assert.equal(0, store.histogram({}, 50))
  end)

  it("is exact for small numbers", function()
    assert.equal(3, store.histogram({ 1, 2, 3, 4, 5 }, 50))
    assert.equal(5, store.histogram({ 1, 2, 3, 4, 5 }, 99))
  end)

  it("is at most an eighth too high for large ones", function()
    local values = {}
    for i = 1, 1000 do values[i] = i * 1000 end
    for _, percent in ipairs { 10, 50, 90, 99, 100 } do
      local p = store.histogram(values, percent)
      assert.is_true(p >= percent * 10000 and p <= percent * 10000 * 9 / 8 + 1, ("%d: %d"):format(percent, p))
    end
  end)

  it("takes the largest number there is", function()
    assert.is_true(store.histogram({ math.maxinteger }, 50) >= math.maxinteger)
  end)

  it("forgets old values", function()
    local values = {}
    for i = 1, 8000 do values[i] = 1000000 end
    for i = 8001, 60000 do values[i] = 10 end
    assert.is_true(store.histogram(values, 99) < 20)
  end)
end)
