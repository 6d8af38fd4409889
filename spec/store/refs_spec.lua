local store = require "spec.support.bind" ("store")

describe("the table of references", function()
  it("counts each number apart, also when there are many", function()
    local ids, expected = {}, {}
    for i = 1, 5000 do
      ids[#ids + 1] = i * 65536
      ids[#ids + 1] = (i % 1000 + 1) * 65536
    end
    for i = 1, #ids do
      local n = ids[i] // 65536
      expected[i] = n <= 1000 and 6 or 1
    end
    local counts, absent = store.refs(ids)
    assert.same(expected, counts)
    assert.equal(0, absent)
  end)

  it("knows nothing while empty", function()
    local _, absent = store.refs({})
    assert.equal(0, absent)
  end)
end)
