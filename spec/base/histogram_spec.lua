local base = require "spec.support.bind" ("base")

describe("a histogram", function()
  it("is 0 while empty", function()
    assert.equal(0, base.histogram({}, 50))
  end)

  it("is exact for small numbers", function()
    assert.equal(3, base.histogram({ 1, 2, 3, 4, 5 }, 50))
    assert.equal(5, base.histogram({ 1, 2, 3, 4, 5 }, 99))
  end)

  it("is at most an eighth too high for large ones", function()
    local values = {}
    for i = 1, 1000 do values[i] = i * 1000 end
    for _, percent in ipairs { 10, 50, 90, 99, 100 } do
      local p = base.histogram(values, percent)
      assert.is_true(p >= percent * 10000 and p <= percent * 10000 * 9 / 8 + 1, ("%d: %d"):format(percent, p))
    end
  end)

  it("takes the largest number there is", function()
    assert.is_true(base.histogram({ math.maxinteger }, 50) >= math.maxinteger)
  end)

  it("forgets old values", function()
    local values = {}
    for i = 1, 8000 do values[i] = 1000000 end
    for i = 8001, 60000 do values[i] = 10 end
    assert.is_true(base.histogram(values, 99) < 20)
  end)

  it("is merged with another one as if it had seen both", function()
    assert.equal(9, base.histogram({ 1, 2, 3 }, 100, { 9, 9 }))
    assert.equal(3, base.histogram({ 1, 2, 3 }, 60, { 9, 9 }))
  end)
end)
