local base = require("spec.support.bind")("base")

describe("slice_to_u64", function()
  it("reads whole decimal numbers", function()
    assert.equal(0, base.to_u64("0"))
  end)

  it("refuses signs, spaces and letters", function()
    for _, text in ipairs { "", "-1", "+1", " 1", "1 ", "1x" } do
      local n, status = base.to_u64(text)
      assert.is_nil(n)
      assert.equal("SYNTAX", status)
    end
  end)

  it("says TOOBIG beyond 64 bits", function()
    local _, status = base.to_u64("18446744073709551616")
    assert.equal("TOOBIG", status)
  end)
end)
