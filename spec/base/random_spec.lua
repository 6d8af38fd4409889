local base = require("spec.support.bind")("base")
local process = require("spec.support.bind")("process")

describe("random", function()
  it("gives as many octets as asked for, never the same twice", function()
    local seen = {}
    for _, len in ipairs { 16, 17, 128, 129, 1000 } do
      local octets = base.random_bytes(len)
      assert.equal(len, #octets)
      assert.is_nil(seen[octets:sub(1, 16)])
      seen[octets:sub(1, 16)] = true
    end
    assert.equal("", base.random_bytes(0))
  end)

  it("makes ids of the promised letters, all of them used", function()
    local letters = {}
    local id = base.random_id(4000)
    assert.equal(4000, #id)
    assert.is_nil(id:find("[^0-9bcdfghjklmnpqrstvwxyz]"))
    for c in id:gmatch(".") do letters[c] = true end
    local count = 0
    for _ in pairs(letters) do count = count + 1 end
    assert.equal(31, count)
  end)

  it("gives a child of fork octets of its own", function()
    base.random_bytes(8)                    -- the pool is filled before the fork
    local path = os.tmpname()
    process.child(function()
      local file = assert(io.open(path, "wb"))
      file:write(base.random_bytes(8))
      file:close()
    end)
    local mine = base.random_bytes(8)
    local file = assert(io.open(path, "rb"))
    local theirs = file:read("a")
    file:close()
    os.remove(path)
    assert.equal(8, #theirs)
    assert.not_equal(mine, theirs)
  end)
end)
