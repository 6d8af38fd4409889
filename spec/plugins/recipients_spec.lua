local script = require "spec.support.script"

local RULES = [[{ "recipients", options = { rules = {
  { to = "*@old.test", action = "reject", status = "5.1.6", text = "Moved" },
  { to = { "staff@example.test", "board@example.test" }, signed_in = false, action = "reject" },
  { to = "trap-?@example.test", action = "discard" },
  { to = "sales@example.test", action = "redirect", targets = { "alice@example.test", "bob@example.test" } },
  { to = "info@example.test", action = "accept", mailbox = "alice@example.test" },
  { from_ip = { "198.51.100.0/25", "2001:db8::/33" }, action = "tempfail", status = "4.7.1", text = "Later" },
} } }]]

describe("recipients", function()
  after_each(script.clean)

  local function ask(address, session_setup)
    local stage = script.new { list = RULES }
    local session = stage:session(session_setup)
    local answer = script.ask(stage, { hook = "accept_recipient", address = address, session = session })
    session:close()
    return answer
  end

  it("refuses, with the rule's status and text", function()
    local answer = ask "anybody@old.test"
    assert.equal("reject", answer.kind)
    assert.equal("5.1.6", answer.status)
    assert.equal("Moved", answer.text)
  end)

  it("knows who signed in", function()
    assert.equal("reject", ask("staff@example.test").kind)
    assert.is_nil(ask("staff@example.test", { user = "alice@example.test" }).by:match("recipients"))
  end)

  it("throws away", function()
    assert.equal("discard", ask("trap-1@example.test").kind)
    assert.equal("core", ask("trap-12@example.test").by)
  end)

  it("redirects and names mailboxes", function()
    assert.equal(2, #ask("sales@example.test").targets)
    assert.same({ "alice@example.test for info@example.test" }, ask("info@example.test").targets)
  end)

  it("knows networks, to the bit", function()
    assert.equal("tempfail", ask("bob@example.test", { ip = "198.51.100.127" }).kind)
    assert.equal("accept", ask("bob@example.test", { ip = "198.51.100.128" }).kind)
    assert.equal("tempfail", ask("bob@example.test", { ip = "2001:db8:7fff::1" }).kind)
    assert.equal("accept", ask("bob@example.test", { ip = "2001:db8:8000::1" }).kind)
  end)

  it("takes patterns literally but for * and ?", function()
    assert.equal("core", ask("anybody@oldxtest").by)
  end)

  for rule, why in pairs {
    ['{ action = "refuse" }'] = "rules%[1%]: action is accept",
    ['{ too = "x", action = "reject" }'] = "rules%[1%]: unknown key too",
    ['{ from_ip = "10.0.0.0/33", action = "reject" }'] = "10.0.0.0/33 is not a network",
    ['{ action = "reject", status = "4.1.1" }'] = '"4.1.1" is no enhanced status code',
    ['{ action = "redirect" }'] = "redirect needs targets",
  } do
    it("does not start with the rule " .. rule, function()
      local stage, err = script.try {
        list = ('{ "recipients", options = { rules = { %s } } }'):format(rule) }
      assert.is_nil(stage)
      assert.matches(why, err)
    end)
  end
end)
