-- luacheck: no max line length
local mail_store = require "spec.support.store"
local script = require "spec.support.script"

local EVENT_LOGIN = 5

describe("limits", function()
  local server, stage

  before_each(function() server = mail_store.new() end)
  after_each(function()
    script.clean()
    server:finish()
  end)

  local function load(rules, more, store)
    stage = script.new { store = store ~= false and server or nil, extra = "lua = { cpu = 1 }",
      list = ('{ "limits", options = { rules = { %s }, %s } }'):format(rules, more or "") }
  end
  local function ask(question, session_setup)
    local session = stage:session(session_setup or { ip = "198.51.100.7" })
    question.session = session
    if question.from then script.ask(stage, { hook = "accept_sender", address = question.from, session = session }) end
    local answer = script.ask(stage, question)
    session:close()
    return answer
  end
  local function refused(...) return ask(...).by == "limits" end
  local function recipient(setup, to, from)
    return refused({ hook = "accept_recipient", address = to or "bob@example.test", from = from or "a@client.test" }, setup)
  end

  it("refuses connections over the limit for now, and says when to try again", function()
    load '{ count = "connections", per = "address", limit = 2, seconds = 600 }'
    local function connect(ip) return ask({ hook = "accept_connection" }, { ip = ip or "198.51.100.7" }) end
    assert.not_equal("limits", connect().by)
    assert.not_equal("limits", connect().by)
    local answer = connect()
    assert.same({ "limits", "tempfail", "4.7.0", "Too many connections of 198.51.100.7, try again in 5 minutes" },
      { answer.by, answer.kind, answer.status, answer.text })
    assert.not_equal("limits", connect("198.51.100.8").by)
  end)

  it("counts IPv6 clients by their /64", function()
    load '{ count = "connections", per = "address", limit = 1, seconds = 600 }'
    assert.is_false(refused({ hook = "accept_connection" }, { ip = "2001:db8::1" }))
    assert.is_true(refused({ hook = "accept_connection" }, { ip = "2001:db8::2" }))
    assert.is_false(refused({ hook = "accept_connection" }, { ip = "2001:db8:0:1::1" }))
  end)

  it("counts recipients by address, user, recipient and sender's domain", function()
    load '{ count = "recipients", per = "user", limit = 1, seconds = 600 }'
    assert.is_false(recipient { user = "alice@example.test" })
    assert.is_true(recipient { user = "alice@example.test" })
    assert.is_false(recipient { user = "bob@example.test" })
    assert.is_false(recipient())             -- nobody signed in: the rule has nothing to count
    assert.is_false(recipient())
    load '{ count = "recipients", per = "recipient", limit = 1, seconds = 600 }'
    assert.is_false(recipient(nil, "bob@example.test"))
    assert.is_true(recipient({ ip = "203.0.113.1" }, "Bob@example.test"))
    assert.is_false(recipient(nil, "alice@example.test"))
    load '{ count = "recipients", per = "sender_domain", limit = 1, seconds = 600 }'
    assert.is_false(recipient(nil, nil, "a@one.test"))
    assert.is_true(recipient(nil, nil, "b@ONE.test"))
    assert.is_false(recipient(nil, nil, "a@two.test"))
    assert.is_false(recipient(nil, nil, ""))
    assert.is_true(recipient(nil, nil, ""))
  end)

  it("says which recipient gets too much", function()
    load '{ count = "recipients", per = "recipient", limit = 1, seconds = 36000 }'
    recipient()
    local answer = ask { hook = "accept_recipient", address = "bob@example.test" }
    assert.equal("Too many recipients to bob@example.test, try again in 10 hours", answer.text)
    assert.equal("4.7.1", answer.status)
  end)

  it("counts messages, with a burst of its own", function()
    load '{ count = "messages", per = "all", limit = 1000, seconds = 86400, burst = 2 }'
    assert.is_false(refused { hook = "accept_data" })
    assert.is_false(refused { hook = "accept_data" })
    assert.is_true(refused { hook = "accept_data" })
  end)

  it("asks all rules that fit the session", function()
    load [[{ count = "recipients", per = "all", limit = 1, seconds = 600, signed_in = false, services = { "mta" } },
      { count = "recipients", per = "address", limit = 2, seconds = 600 }]]
    assert.is_false(recipient { user = "alice@example.test" })
    assert.is_false(recipient { service = "submission" })
    assert.is_false(recipient { ip = "203.0.113.1" })
    assert.is_true(recipient { ip = "203.0.113.2" })           -- the first rule
    assert.is_true(recipient { user = "alice@example.test" })  -- the second
  end)

  it("leaves out the networks of except", function()
    load('{ count = "recipients", per = "all", limit = 1, seconds = 600 }', 'except = { "192.0.2.0/24" }')
    recipient()
    assert.is_true(recipient())
    assert.is_false(recipient { ip = "192.0.2.1" })
  end)

  it("holds a client until there is a token, where the rule says so and it does not take too long", function()
    load '{ count = "recipients", per = "all", limit = 20, seconds = 1, burst = 1, action = "delay", max_delay = 5 }'
    for _ = 1, 5 do assert.is_false(recipient()) end
    load '{ count = "recipients", per = "all", limit = 1, seconds = 600, action = "delay", max_delay = 5, name = "slow" }'
    assert.is_false(recipient())
    assert.is_true(recipient())
  end)

  it("refuses to check passwords after too many that were wrong, of an address or of a user", function()
    load [[{ count = "login_failures", per = "address", limit = 2, seconds = 600 },
      { count = "login_failures", per = "user", limit = 3, seconds = 600 }]]
    local function login(ip, user)
      return ask({ hook = "auth", mechanism = "PLAIN", user = user or "alice", password = "x" }, { ip = ip })
    end
    ---What the core reports after a login; the counting is done when a later question is answered.
    local function failed(ip, user, stage_of)
      local session = (stage_of or stage):session { ip = ip }
      stage:event(session, EVENT_LOGIN, "PLAIN " .. user, "reject")
      session:close()
      stage:spin(50)
    end
    assert.equal("none", login("198.51.100.7").kind)
    failed("198.51.100.7", "alice")
    assert.equal("none", login("198.51.100.7").kind)
    failed("198.51.100.7", "Alice")
    local answer = login "198.51.100.7"
    assert.same({ "tempfail", "4.7.0" }, { answer.kind, answer.status })
    assert.matches("^Too many failed logins of 198.51.100.7, try again in %d minutes$", answer.text)
    assert.equal("limits", ask({ hook = "secret", mechanism = "SCRAM-SHA-256", user = "bob" }, { ip = "198.51.100.7" }).by)
    assert.equal("none", login("203.0.113.1").kind)
    failed("203.0.113.1", "alice")
    assert.matches("failed logins of alice", login("203.0.113.2").text)
    assert.equal("none", login("203.0.113.2", "bob").kind)
  end)

  it("does as it is told when nothing can be counted", function()
    load('{ count = "recipients", per = "all", limit = 1, seconds = 600 }', nil, false)
    assert.is_false(recipient())
    assert.matches("limits cannot count", script.log())
    load('{ count = "recipients", per = "all", limit = 1, seconds = 600 }', 'when_unavailable = "tempfail"', false)
    assert.equal("4.3.0", ask({ hook = "accept_recipient", address = "bob@example.test" }).status)
  end)

  for rule, why in pairs {
    ['{ count = "mails", per = "all" }'] = "rules%[1%] of plugin limits: count is one of connections, login_failures, messages, recipients",
    ['{ count = "connections", per = "user" }'] = "connections are counted per address, all",
    ['{ count = "messages", per = "all", limit = 1 }'] = "limit and seconds",
    ['{ count = "messages", per = "all", limit = "1", seconds = 1 }'] = "limit is a number, not a string",
    ['{ count = "messages", per = "all", limits = 1 }'] = "unknown key limits; there are action, burst",
    ['{ count = "messages", per = "all", limit = 1, seconds = 1, action = "drop" }'] = "action is tempfail or delay",
    ['{ count = "messages", per = "all", limit = 1, seconds = 1, max_delay = 60 }'] = "max_delay is 0 to 20",
    ['{ count = "messages", per = "all", limit = 1, seconds = 1, services = { "imap" } }'] = 'no service "imap"',
    ['{ count = "messages", per = "all", limit = 1e9, seconds = 1 }'] = "rules%[1%] of plugin limits: rate is tokens per second",
    ['{ count = "messages", per = "all", limit = 1, seconds = 1, name = "x" }, { count = "messages", per = "user", limit = 1, seconds = 1, name = "x" }'] = "rules%[2%].*that of another rule",
    ['{ count = "messages", per = "all", limit = 1, seconds = 1, name = "a b" }'] = "rules%[1%] of plugin limits: a name is 1 to 64 letters",
    ['{ count = "login_failures", per = "user", limit = 1, seconds = 1, action = "delay" }'] = "auth_failure_delay",
  } do
    it("does not start with the rule " .. rule, function()
      local good, err = script.try { list = ('{ "limits", options = { rules = { %s } } }'):format(rule) }
      assert.is_nil(good)
      assert.matches(why, err)
    end)
  end
end)
