local base = require("spec.support.bind")("base")

describe("arena", function()
  it("keeps copies that end with a NUL", function()
    local a = base.arena()
    assert.equal("alice", (a:keep("alice")))
    assert.equal("", (a:keep("")))
    assert.equal("<bob>", a:printf("bob"))
  end)

  it("gives memory fit for any type", function()
    local a = base.arena()
    for i = 1, 40 do
      local _, offset = a:keep(("x"):rep(i))
      assert.equal(0, offset)
    end
  end)

  it("gives zeroed memory of any size, also over one block", function()
    local a = base.arena()
    for _, size in ipairs { 0, 1, 900, 993, 100000, 3 } do
      assert.is_true(a:zeroed(size))
    end
  end)

  it("counts what it gave, frees all at once and can be used again", function()
    local a = base.arena()
    a:keep("something")
    assert.is_true(a:taken() >= 10)
    a:reset()
    assert.equal(0, a:taken())
    assert.equal("again", (a:keep("again")))
    assert.is_true(a:zeroed(64))
  end)
end)
