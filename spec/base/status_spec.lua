local base = require("spec.support.bind")("base")

describe("status", function()
  it("has a name and a sentence of its own for each outcome", function()
    local texts, count = base.status_list()
    local names, seen = 0, {}
    for name, text in pairs(texts) do
      names = names + 1
      assert.is_truthy(name:find("^%u+$"), name)
      assert.is_truthy(text:find("^%l.*[^.]$"), text)
      assert.is_nil(seen[text])
      seen[text] = true
    end
    assert.equal(count, names)
  end)
end)
