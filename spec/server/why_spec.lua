-- Ids at the end of replies, and what `moonpost why` knows about them.
local server = require "spec.support.server"
local dkjson = require "dkjson"

local PLUGINS = {
  a_slow = [[
local plugin = ...
local mail = require "moonpost"
plugin:hook("accept_recipient", function()
  mail.sleep(0.01)
end)]],
  b_rules = [[
local plugin = ...
local mail = require "moonpost"
plugin:hook("accept_recipient", function(_, recipient)
  if recipient.localpart == "broken" then error("oh") end
  if recipient.localpart == "bad" then
    return mail.reject("5.7.1", "Not for you")
  end
end)
plugin:hook("accept_delivery", function(_, _, recipient)
  if recipient.address:find("^bob") then return mail.tempfail("4.2.1", "Bob moves") end
end)]],
  c_users = [[
local plugin = ...
local mail = require "moonpost"
plugin:hook("auth", function(_, c)
  if c.user:find("^mallory") then return mail.reject(nil, "Go away") end
end)]],
}

describe("why", function()
  local s, c

  local function start(reply_ids)
    s = server.start { plugins = PLUGINS, config = {
      reply_ids = reply_ids, workers = 1, plugins = { "a_slow", "b_rules", "c_users", "auth_users" },
      smtp = { auth_failure_delay = 0 }, pop3 = { auth_failure_delay = 0 },
    } }
  end

  local function greet()
    c = s:connect "mta"
    c:line()
    c:ask "HELO client.example"
    c:ask "MAIL FROM:<a@client.example>"
    return c
  end

  after_each(function()
    if c then c:close() end
    s:stop()
    c = nil
  end)

  local function why(id)
    local code, output = s:command { "why", id, "--json" }
    assert.equal(0, code, output)
    local list = dkjson.decode(output)
    assert.equal(1, #list)
    return list[1], select(2, s:command { "why", id })
  end

  it("names everybody who was asked, what they said, where, how long, and what they waited for", function()
    start "refusals"
    local id = greet():ask("RCPT TO:<bad@example.test>"):match("^550 5%.7%.1 Not for you %[(%w%w%w%w%w%w)%]$")
    assert.is_truthy(id)
    local decision, text = why(id)
    assert.equal("accept_recipient", decision.hook)
    assert.equal("recipient <bad@example.test>", decision.asked)
    assert.equal("550 5.7.1 Not for you", decision.reply)
    assert.equal("client.example", decision.helo)
    local slow, rules = table.unpack(decision.asked_plugins)
    assert.equal("a_slow none", slow.plugin .. " " .. slow.verdict)
    assert.is_truthy(slow["function"]:find("a_slow.lua:3", 1, true))
    assert.is_truthy(slow.us >= 10000 and slow.waited:find("^mail%.sleep %d+ us$"), slow.waited)
    assert.equal("b_rules reject 5.7.1", rules.plugin .. " " .. rules.verdict .. " " .. rules.status)
    assert.is_truthy(rules.where:find("b_rules.lua:6", 1, true), rules.where)
    assert.equal(2, #decision.asked_plugins)
    assert.is_truthy(text:find("1. a_slow: no opinion at ", 1, true), text)
    assert.is_truthy(text:find("waited for mail.sleep ", 1, true), text)
    assert.is_truthy(text:find("2. b_rules: reject 5.7.1 at ", 1, true), text)
    assert.is_truthy(text:find("told: 550 5.7.1 Not for you", 1, true), text)
  end)

  it("tells a plugin that failed, and what the core decides when nobody has an opinion", function()
    start "refusals"
    local id = greet():ask("RCPT TO:<broken@example.test>"):match("^451 .* %[(%w+)%]$")
    assert.equal("failed", why(id).asked_plugins[2].verdict)
    id = c:ask("RCPT TO:<x@elsewhere.example>"):match("^550 .* %[(%w+)%]$")
    local decision, text = why(id)
    assert.equal("core", decision.by)
    assert.is_truthy(text:find("3. core: decided, no plugin did", 1, true), text)
  end)

  it("knows the recipient whose refusal stands for the whole message", function()
    start "refusals"
    greet():ask("RCPT TO:<bob@example.test>")
    c:ask "DATA"
    c:send "Subject: x\r\n\r\nx\r\n.\r\n"
    local id = c:line():match("^450 4%.2%.1 Bob moves.* %[(%w+)%]$")
    assert.equal("delivery to <bob@example.test>", (why(id)).asked)
  end)

  it("gives POP3's refusals an id, too", function()
    start "refusals"
    c = s:connect "pop3"
    c:line()
    c:ask "USER mallory@example.test"
    local id = c:ask("PASS x"):match("^%-ERR %[AUTH%] Go away %[(%w+)%]$")
    local decision = why(id)
    assert.equal("user mallory@example.test with USER", decision.asked)
    assert.equal("c_users", decision.by)
    assert.is_truthy(c:ask("NONSENSE"):find("^%-ERR [^%[]*$"))
  end)

  it("finds the refusals of a session when replies have no ids", function()
    start "none"
    assert.equal("550 5.7.1 Not for you", greet():ask "RCPT TO:<bad@example.test>")
    local session = s:log():match('recipient refused.- session=(%w+)')
    assert.equal("550 5.7.1 Not for you", (why(session)).reply)
  end)

  it("gives every coded reply an id when told to, also those that nobody was asked about", function()
    start "all"
    assert.is_truthy(greet():ask("RCPT TO:<alice@example.test>"):find("^250 2%.1%.5 Ok %[%w+%]$"))
    local id = c:ask("RCPT TO:<"):match("^501 .* %[(%w+)%]$")
    local _, text = why(id)
    assert.is_truthy(text:find("no plugin was asked: this is the protocol's own answer", 1, true), text)
    local _, capabilities = c:command "EHLO client.example"
    for line in capabilities:gmatch("[^\n]+") do assert.is_nil(line:find("%[%w+%]$"), line) end
  end)

  it("says what an id is when it knows none", function()
    start "none"
    local code, output = s:command { "why", "nobody" }
    assert.equal(1, code)
    assert.is_truthy(output:find('nothing is known about "nobody"', 1, true), output)
  end)

  it("remembers when the worker is gone", function()
    start "refusals"
    local id = greet():ask("RCPT TO:<bad@example.test>"):match("%[(%w+)%]$")
    local pid = s:pids "worker"[1]
    os.execute("kill -9 " .. pid)
    s:wait_log("process ended name=worker")
    assert.equal("550 5.7.1 Not for you", (why(id)).reply)
  end)
end)
