-- luacheck: no max line length
local mail_store = require "spec.support.store"
local script = require "spec.support.script"

describe("greylist", function()
  local server, stage

  before_each(function() server = mail_store.new() end)
  after_each(function()
    script.clean()
    server:finish()
  end)

  local function load(options)
    stage = script.new { store = server, list = ('{ "greylist", options = { %s } }'):format(options or ""),
      extra = "lua = { cpu = 1 }" }
  end

  ---What a client is told for a recipient.
  local function attempt(from, to, session_setup)
    local session = stage:session(session_setup or { ip = "198.51.100.7" })
    script.ask(stage, { hook = "accept_sender", address = from, session = session })
    local answer = script.ask(stage, { hook = "accept_recipient", address = to or "bob@example.test", session = session })
    session:close()
    return answer
  end
  local function waits(...) return attempt(...).by == "greylist" end

  it("refuses the first attempt for now, and says when to come back", function()
    load()
    local answer = attempt "a@client.test"
    assert.same({ "tempfail", "4.7.1", "Greylisted, try again in 5 minutes", "greylist" },
      { answer.kind, answer.status, answer.text, answer.by })
    assert.is_true(waits "a@client.test")
  end)

  it("lets through who comes back after the delay, then and in future", function()
    load "delay = 0"                         -- every second attempt is late enough
    assert.is_false(waits "a@client.test")
    load "delay = 1"
    assert.is_true(waits "b@client.test")
    repeat until not waits "b@client.test"
    load "delay = 300"
    assert.is_false(waits "a@client.test")   -- kept over the reload, whatever the delay is now
    assert.is_false(waits "b@client.test")
    assert.is_true(waits "c@client.test")
  end)

  it("remembers over a restart of the store", function()
    load "delay = 1"
    assert.is_true(waits "a@client.test")
    repeat until not waits "a@client.test"
    server:restart(9)
    load "delay = 300"
    assert.is_false(waits "a@client.test")
  end)

  it("tells senders, recipients and networks apart, but not what a client chooses freely", function()
    load "delay = 0, auto_allow = 0"
    waits("list-1@client.test", "Bob@example.test")
    load "delay = 300, auto_allow = 0"
    assert.is_false(waits("list-27@client.test", "bob@example.test"))              -- numbered senders
    assert.is_false(waits("LIST-1@client.test", "bob@example.test", { ip = "198.51.100.200" }))
    assert.is_true(waits("list-1@client.test", "alice@example.test"))
    assert.is_true(waits("other@client.test", "bob@example.test"))
    assert.is_true(waits("list-1@client.test", "bob@example.test", { ip = "198.51.101.7" }))
  end)

  it("counts IPv6 by /64", function()
    load "delay = 0, auto_allow = 0"
    waits("a@client.test", nil, { ip = "2001:db8:1:2::1" })
    load "delay = 300, auto_allow = 0"
    assert.is_false(waits("a@client.test", nil, { ip = "2001:db8:1:2:ffff::9" }))
    assert.is_true(waits("a@client.test", nil, { ip = "2001:db8:1:3::1" }))
  end)

  it("lets a network through that came back often enough", function()
    load "delay = 0, auto_allow = 2"
    waits "a@client.test"
    waits "b@client.test"
    load "delay = 300, auto_allow = 2"
    assert.is_false(waits "new@client.test")
    assert.is_true(waits("new@client.test", nil, { ip = "203.0.113.1" }))
    load "delay = 300, auto_allow = 3"
    assert.is_true(waits "new@client.test")
  end)

  it("never asks who is on a list, who signed in, and who is not on an mta listener", function()
    load [[allow_networks = { "192.0.2.0/24" }, allow_senders = { "boss@client.test", "good.test", ".better.test" },
      allow_recipients = { "alice@example.test" }]]
    assert.is_false(waits("a@client.test", nil, { ip = "192.0.2.9" }))
    assert.is_false(waits "Boss@client.test")
    assert.is_true(waits "boss@other.test")
    assert.is_false(waits "a@good.test")
    assert.is_true(waits "a@sub.good.test")
    assert.is_false(waits "a@better.test")
    assert.is_false(waits "a@sub.sub.better.test")
    assert.is_false(waits("a@client.test", "alice@example.test"))
    assert.is_false(waits("a@client.test", nil, { user = "alice@example.test" }))
    assert.is_false(waits("a@client.test", nil, { service = "submission" }))
    assert.is_true(waits "a@client.test")
  end)

  it("forgets a first attempt to which nobody came back", function()
    load()
    waits "a@client.test"
    local client = server:client()
    local list = select(2, client:dict_read { op = "list", owner = "greylist", key = "dtriplets\0" })
    assert.equal(1, #list.keys)
    assert.equal("integer", math.type(list.values[1]))
    client:wait(client:dict { op = "delete", owner = "greylist", key = list.keys[1], durable = true })
    assert.is_true(waits "a@client.test")
  end)

  it("lets mail pass when the store is away, with a warning", function()
    load()
    assert.is_true(waits "a@client.test")
    server:kill()
    script.log()
    assert.is_false(waits "b@client.test")
    assert.is_true(waits "a@client.test")    -- what is known is known without the store process
    assert.matches("greylist passes", script.log())
  end)

  for option, why in pairs {
    ["delay = 600, retry_within = 600"] = "retry_within of plugin greylist: must be more than delay",
    ['allow_networks = { "10.0.0.0/33" }'] = "allow_networks of plugin greylist.*at most 32 bits",
    ['text = "later"'] = "one line with one %%s",
    ['text = "%d or %s"'] = "one line with one %%s",
    ['text = "' .. ("x"):rep(400) .. '%s"'] = "longer than 399 octets",
    ["auto_alow = 1"] = "auto_alow",
  } do
    it("does not start with " .. option, function()
      local good, err = script.try { list = ('{ "greylist", options = { %s } }'):format(option) }
      assert.is_nil(good)
      assert.matches(why, err)
    end)
  end
end)
