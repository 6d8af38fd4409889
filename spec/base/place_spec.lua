local base = require("spec.support.bind")("base")
local process = require("spec.support.bind")("process")

describe("place_data", function()
  local before = os.getenv("MOONPOST_DATADIR")

  after_each(function() process.setenv("MOONPOST_DATADIR", before) end)

  it("follows the environment first", function()
    process.setenv("MOONPOST_DATADIR", "/somewhere/else")
    assert.equal("/somewhere/else", base.place_data())
  end)

  it("falls back to where make install puts the files", function()
    process.setenv("MOONPOST_DATADIR", nil)       -- the binary around here is Lua's, not ours
    assert.is_truthy(base.place_data():find("/share/moonpost$"))
  end)
end)
