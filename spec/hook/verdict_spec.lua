local hook = require("spec.support.bind")("hook")

local NONE, ACCEPT, REJECT, TEMPFAIL, DISCARD, DISCONNECT, KEEP = 0, 1, 2, 3, 4, 5, 6

describe("a verdict", function()
  it("has a name for each kind", function()
    local names = {}
    for kind = NONE, KEEP do names[#names + 1] = (hook.verdict(kind, nil, "")) end
    assert.same({ "none", "accept", "reject", "tempfail", "discard", "disconnect", "keep" }, names)
  end)

  it("keeps status and text, cut to fit", function()
    assert.same({ "reject", "5.7.1", "No relaying" }, { hook.verdict(REJECT, "5.7.1", "No relaying") })
    local _, _, text = hook.verdict(REJECT, nil, ("x"):rep(5000))
    assert.equal(399, #text)
  end)

  it("never holds a line end that a plugin smuggled in", function()
    local _, status, text = hook.verdict(REJECT, nil, "no\r\n250 yes\0\127\tx")
    assert.equal("", status)
    assert.equal("no??250 yes", text)
    assert.equal("a?b?c", select(3, hook.verdict(REJECT, nil, "a\tb\127c")))
  end)

  it("fits an enhanced status code of its class alone", function()
    local fits = {
      [REJECT] = "5.7.1", [TEMPFAIL] = "4.7.1", [ACCEPT] = "2.1.5", [DISCARD] = "2.0.0", [KEEP] = "2.0.0",
    }
    for kind, status in pairs(fits) do
      assert.is_true(hook.verdict_status_valid(kind, status))
      for _, other in ipairs { "2.1.5", "4.7.1", "5.7.1", "3.1.1", "5.7", "5.7.1 ", "", "x" } do
        if other:sub(1, 1) ~= status:sub(1, 1) or #other ~= 5 then
          assert.is_false(hook.verdict_status_valid(kind, other), other)
        end
      end
    end
    assert.is_true(hook.verdict_status_valid(DISCONNECT, "4.7.0"))
    assert.is_true(hook.verdict_status_valid(DISCONNECT, "5.7.0"))
    assert.is_false(hook.verdict_status_valid(DISCONNECT, "2.7.0"))
  end)
end)
