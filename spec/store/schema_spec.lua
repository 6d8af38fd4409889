local store = require "spec.support.bind" ("store")

describe("the records of the environment", function()
  it("decode to what was encoded; another size or version is CORRUPT", function()
    assert.is_true(store.schema())
  end)
end)
