local near = require("spec.support.bind")("script").near

describe("script_near", function()
  it("finds the nearest name, over missing, wrong and swapped letters", function()
    local names = { "max_message_octets", "max_errors", "vrfy" }
    assert.equal("max_message_octets", near("max_mesage_octets", names))
    assert.equal("max_errors", near("max_erorrs", names))
    assert.equal("vrfy", near("VRFY", names))
  end)

  it("finds nothing when nothing is near", function()
    assert.is_nil(near("completely", { "vrfy", "banner" }))
    assert.is_nil(near(("x"):rep(60), { ("x"):rep(59) }))
  end)
end)
