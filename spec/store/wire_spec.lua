local store = require "spec.support.bind" ("store")

describe("a message on the wire to the store", function()
  it("comes back whole and is refused at every cut", function()
    for _, sender in ipairs { "", "a@example.test", ("s"):rep(1000) } do
      local refused, whole = store.wire(sender)
      assert.is_true(refused)
      assert.is_true(whole)
    end
  end)
end)
