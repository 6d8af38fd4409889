local script = require "spec.support.script"

describe("aliases", function()
  after_each(script.clean)

  ---A stage with these options (Lua text) and this file.
  local function start(options, text, extra)
    local folder = script.folder()
    if text then script.write(folder .. "/aliases", text) end
    return script.new { folder = folder, list = ('{ "aliases", options = { %s } }'):format(options), extra = extra }
  end

  local function targets(stage, address, detail)
    local answer = script.ask(stage, { hook = "accept_recipient", address = address, detail = detail })
    for i, target in ipairs(answer.targets) do answer.targets[i] = target:match("^(.-)@example%.test ") or target end
    return answer.kind == "accept" and table.concat(answer.targets, " ") or answer.kind
  end

  it("are one address, a list, or aliases again", function()
    local stage = start [[aliases = { ["sales@example.test"] = { "alice@example.test", "bob" }, Info = "sales",
      postmaster = "Bob@Example.test" }]]
    assert.equal("alice bob", targets(stage, "sales@example.test"))
    assert.equal("alice bob", targets(stage, "INFO@example.test"))
    assert.equal("bob", targets(stage, "postmaster@example.test"))
    assert.equal("alice", targets(stage, "alice@example.test"))
    assert.equal("reject", targets(stage, "nobody@example.test"))
  end)

  it("come from a file, which is read again when it has changed", function()
    local stage = start('file = "aliases", check_every = 0',
      "# comment\nsales: alice,\n\tbob # more\ninfo@example.test : alice@example.test\n")
    assert.equal("alice bob", targets(stage, "sales@example.test"))
    assert.equal("alice", targets(stage, "info@example.test"))
    script.write(script.last_folder .. "/aliases", "sales: bob\n")
    assert.equal("bob", targets(stage, "sales@example.test"))
    assert.equal("reject", targets(stage, "info@example.test"))
  end)

  it("refuse for now while the file cannot be read, and leave out what is wrong in it", function()
    local stage = start('file = "aliases", check_every = 0')
    assert.equal("tempfail", targets(stage, "alice@example.test"))
    script.write(script.last_folder .. "/aliases", "no alias\nsales: a@b@c, bob\n")
    assert.equal("bob", targets(stage, "sales@example.test"))
    local log = script.log()
    assert.matches("a line is no alias.-line=1", log)
    assert.matches("a target is left out", log)
  end)

  it("know details: dropped, kept, or with an alias of their own", function()
    local aliases = [[aliases = { sales = "alice", ["sales+vip"] = "bob", }]]
    local stage = start(aliases)
    assert.equal("alice", targets(stage, "sales@example.test", "spring"))
    assert.equal("bob", targets(stage, "sales@example.test", "VIP"))
    assert.equal("alice", targets(stage, "sales+autumn@example.test"))
    -- the directory of this stage knows no details
    assert.equal("reject", targets(start(aliases .. ", keep_detail = true"), "sales@example.test", "spring"))
    assert.matches('target=alice%+spring@example%.test', script.log())
  end)

  it("catch all names without a mailbox, and no other", function()
    local stage = start([[catch_all = { ["example.test"] = "alice@example.test" }]], nil,
      [[users = { { name = "bob@example.test", password = "$y$j9T$x$y" } }]])
    assert.equal("alice", targets(stage, "anybody@example.test"))
    assert.equal("bob", targets(stage, "bob@example.test"))
    assert.equal("alice", targets(stage, "alice@example.test"))
    assert.equal("reject", targets(stage, "anybody@other.test"))
    assert.equal("bob", targets(start [[aliases = { ["@example.test"] = "bob" }]], "x@example.test"))
  end)

  for options, why in pairs {
    ['aliases = { sales = {} }'] = 'aliases%["sales"%]: an address or a list',
    ['aliases = { sales = { 5 } }'] = "is no address", ['aliases = { sales = "a b" }'] = "is no address",
    ['aliases = { ["a b"] = "alice" }'] = "is no address", ['aliases = { "alice" }'] = "is no address",
    ['catch_all = { ["example.test"] = "a@" }'] = "catch_all.*is no address", ['delimiter = "--"'] = "one character",
  } do
    it("do not start with " .. options, function()
      local stage, err = script.try { list = ('{ "aliases", options = { %s } }'):format(options) }
      assert.is_nil(stage)
      assert.matches(why, err)
    end)
  end
end)
