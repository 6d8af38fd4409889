-- alias: what a recipient stands for, followed to mailboxes.
local script = require "spec.support.script"

---Ask for a recipient with a plugin whose aliases are this table's text; answer and stage.
local function ask(aliases, address, text)
  local stage = script.plugin(([[
    local asked = {}
    local aliases = %s
    plugin:hook("alias", function(session, recipient)
      asked[#asked + 1] = recipient.address
      print(table.concat(asked, " "))
      return aliases[recipient.address]
    end)
    %s]]):format(aliases, text or ""))
  return script.ask(stage, { hook = "accept_recipient", address = address }), stage
end

describe("alias", function()
  after_each(script.clean)

  it("turns an address into others, and those into mailboxes of the directory", function()
    local answer = ask([[{ ["sales@example.test"] = { "alice@example.test", "Bob" }, }]], "sales@example.test")
    assert.equal("accept", answer.kind)
    assert.equal("one", answer.by)
    assert.same({ "alice@example.test for alice@example.test", "bob@example.test for bob@example.test" }, answer.targets)
  end)

  it("is one address or a list, and follows aliases of aliases", function()
    local answer = ask([[{ ["a@example.test"] = "b@example.test", ["b@example.test"] = { "alice@example.test" } }]],
      "a@example.test")
    assert.same({ "alice@example.test for alice@example.test" }, answer.targets)
  end)

  it("leaves an address alone that has none", function()
    local answer, stage = ask("{}", "bob@example.test")
    assert.same({ "bob@example.test for bob@example.test" }, answer.targets)
    assert.equal(1, stage:numbers().asked_directory)
    assert.equal("reject", ask("{}", "nobody@example.test").kind)
  end)

  it("may name the address itself, and ends circles", function()
    local answer = ask([[{ ["bob@example.test"] = { "bob@example.test", "alice@example.test" } }]], "bob@example.test")
    assert.equal(2, #answer.targets)
    answer = ask([[{ ["a@example.test"] = "b@example.test", ["b@example.test"] = "a@example.test" }]], "a@example.test")
    assert.equal("reject", answer.kind)
  end)

  it("is asked behind accept_recipient, and for the targets of its redirects", function()
    local redirect = [[plugin:hook("accept_recipient", function(_, r)
      return mail.accept { redirect = { "team@example.test" } } end)]]
    local answer = ask([[{ ["team@example.test"] = { "alice@example.test" } }]], "x@example.test", redirect)
    assert.same({ "alice@example.test for alice@example.test" }, answer.targets)
    local refusing = [[plugin:hook("accept_recipient", function() return mail.reject() end)]]
    local refused, stage = ask([[{ ["x@example.test"] = "bob@example.test" }]], "x@example.test", refusing)
    assert.equal("reject", refused.kind)
    assert.equal(1, stage:numbers().calls)
    local named = [[plugin:hook("accept_recipient", function() return mail.accept { mailbox = "m@example.test" } end)]]
    assert.same({ "m@example.test for x@example.test" },
      ask([[{ ["x@example.test"] = "bob@example.test" }]], "x@example.test", named).targets)
  end)

  it("refuses the recipient when a target is refused, and may refuse or throw away itself", function()
    assert.equal("reject", ask([[{ ["a@example.test"] = { "bob@example.test", "nobody@example.test" } }]], "a@example.test").kind)
    assert.equal("5.7.1", ask([[{ ["a@example.test"] = mail.reject("5.7.1", "no") }]], "a@example.test").status)
    assert.equal("discard", ask([[{ ["a@example.test"] = mail.discard() }]], "a@example.test").kind)
    local answer = ask([[{ ["a@example.test"] = { "b@example.test", "bob@example.test" }, ["b@example.test"] = mail.discard() }]],
      "a@example.test")
    assert.same({ "bob@example.test for bob@example.test" }, answer.targets)
    assert.equal("discard", ask([[{ ["a@example.test"] = "b@example.test", ["b@example.test"] = mail.discard() }]],
      "a@example.test").kind)
  end)

  it("is a temporary failure when the plugin cannot tell", function()
    local stage = script.plugin [[plugin:hook("alias", function() return nil, "database away" end)]]
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" })
    assert.equal("tempfail", answer.kind)
    assert.matches("database away", script.log())
  end)

  it("refuses what is no address, an empty list and other values", function()
    assert.equal("reject", ask([[{ ["a@example.test"] = "<not one>" }]], "a@example.test").kind)
    for _, value in ipairs { "{}", "{ 5 }", "true", "mail.accept()" } do
      assert.equal("tempfail", ask(([[{ ["a@example.test"] = %s }]]):format(value), "a@example.test").kind, value)
      assert.matches("alias", script.log())
    end
  end)

  it("has a limit of 1000 addresses", function()
    local answer = ask([[setmetatable({}, { __index = function(_, address)
      local list = {}
      for i = 1, address == "ok@example.test" and 1000 or 1001 do list[i] = "bob@example.test" end
      return address ~= "bob@example.test" and list or nil end })]], "many@example.test")
    assert.equal("5.5.3", answer.status)
    assert.matches("too many targets", script.log())
    local fits = ask([[{ ["ok@example.test"] = (function() local list = {}
      for i = 1, 1000 do list[i] = "bob@example.test" end return list end)() }]], "ok@example.test")
    assert.equal(1000, #fits.targets)
  end)

  it("may wait, and is dropped with the session", function()
    local stage = script.plugin [[plugin:hook("alias", function() mail.sleep(0.01) return "alice@example.test" end)]]
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" })
    assert.same({ "alice@example.test for alice@example.test" }, answer.targets)
    local asked = stage:ask { hook = "accept_recipient", address = "bob@example.test" }
    asked:cancel()
    assert.equal(0, stage:numbers().running)
  end)

  it("is not asked in sessions that its filters leave out", function()
    local stage = script.plugin [[plugin:hook("alias", function() error "asked" end, { signed_in = true })]]
    assert.equal("accept", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).kind)
    assert.equal(0, stage:numbers().calls)
  end)
end)
