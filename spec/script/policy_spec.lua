-- luacheck: no max line length
local script = require "spec.support.script"

local TO_BOB = { hook = "accept_recipient", address = "bob@example.test" }

local LISTENERS = [[listeners = { { name = "here", service = "mta", address = "127.0.0.1:2525" },
  { name = "elsewhere", service = "mta", address = "127.0.0.1:2526" } }]]

local function ask_with(text, question, setup)
  return script.ask(script.plugin(text, setup), question or TO_BOB)
end

describe("a question", function()
  after_each(script.clean)

  it("goes to the directory when no plugin has an opinion", function()
    local answer = ask_with [[plugin:hook("accept_recipient", function() end)]]
    assert.equal("accept", answer.kind)
    assert.same({ "bob@example.test for bob@example.test" }, answer.targets)
  end)

  it("goes to the directory at once when nobody listens", function()
    local stage = script.plugin ""
    assert.equal("accept", script.ask(stage, TO_BOB).kind)
    assert.equal(0, stage:numbers().calls)
  end)

  it("is settled by the first verdict, with the plugin's name and the place in its file", function()
    local answer = ask_with [[
      plugin:hook("accept_recipient", function() return mail.reject("5.7.1", "Not today") end)
    ]]
    assert.equal("reject", answer.kind)
    assert.equal("5.7.1", answer.status)
    assert.equal("Not today", answer.text)
    assert.equal("one", answer.by)
    assert.matches("plugins/one%.lua:2$", answer.where)
  end)

  it("is asked in the order of priority, then of registration", function()
    local answer = ask_with [[
      local order = {}
      local function note(name) return function() order[#order + 1] = name end end
      plugin:hook("accept_recipient", note "b")
      plugin:hook("accept_recipient", note "low", { priority = -1 })
      plugin:hook("accept_recipient", note "c")
      plugin:hook("accept_recipient", note "a", { priority = 5 })
      plugin:hook("accept_recipient", function() return mail.reject(nil, table.concat(order, " ")) end,
        { priority = -9 })
    ]]
    assert.equal("a b c low", answer.text)
  end)

  it("does not reach functions whose filters the session does not fit", function()
    local stage = script.plugin [[
      plugin:hook("accept_recipient", function() return mail.reject(nil, "tls") end, { tls = true })
      plugin:hook("accept_recipient", function() return mail.reject(nil, "user") end, { signed_in = true })
      plugin:hook("accept_recipient", function() return mail.reject(nil, "submission") end,
        { services = { "submission" } })
    ]]
    local function text(session)
      session = stage:session(session)
      local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test",
        session = session })
      session:close()
      return answer.text
    end
    assert.equal("", text {})
    assert.equal("tls", text { tls = true })
    assert.equal("user", text { user = "alice@example.test" })
    assert.equal("submission", text { service = "submission" })
  end)

  it("never enters Lua for a session that no function wants", function()
    local stage = script.plugin([[
      local function no() error "asked" end
      plugin:hook("accept_recipient", no, { protocol = "pop3" })
      plugin:hook("accept_recipient", no, { listeners = "elsewhere" })
      plugin:hook("accept_recipient", no, { protocol = "smtp", services = { "submission", "pop3" } })
      plugin:hook("on_command", no, { listeners = { "elsewhere" } })
    ]], { extra = LISTENERS })
    local session = stage:session { listener = "here" }
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test", session = session })
    stage:event(session, 1, "NOOP")
    stage:spin(5)
    session:close()
    assert.equal("accept", answer.kind)
    assert.equal(0, stage:numbers().calls)
  end)

  it("reaches functions by listener and protocol", function()
    local stage = script.plugin([[
      plugin:hook("accept_connection", function() return mail.reject(nil, "there") end, { listeners = { "elsewhere" } })
      plugin:hook("accept_connection", function() return mail.reject(nil, "pop3") end, { protocol = "pop3" })
      plugin:hook("accept_connection", function() return mail.reject(nil, "smtp") end, { protocol = "smtp" })
    ]], { extra = LISTENERS })
    for listener, text in pairs { here = "smtp", elsewhere = "there" } do
      local session = stage:session { listener = listener }
      assert.equal(text, script.ask(stage, { hook = "accept_connection", session = session }).text)
      session:close()
    end
    local session = stage:session { service = "pop3s" }
    assert.equal("pop3", script.ask(stage, { hook = "accept_connection", session = session }).text)
    session:close()
  end)

  it("adds up delays and goes on", function()
    local answer = ask_with [[
      plugin:hook("accept_recipient", function() return mail.delay(1.5) end)
      plugin:hook("accept_recipient", function() return mail.reject() end)
    ]]
    assert.equal("reject", answer.kind)
    assert.equal(1500, answer.delay_ms)
  end)
end)

describe("accept_recipient", function()
  after_each(script.clean)

  it("may name the mailbox", function()
    local answer = ask_with [[
      plugin:hook("accept_recipient", function() return mail.accept { mailbox = "Else@Example.test" } end)
    ]]
    assert.same({ "else@example.test for bob@example.test" }, answer.targets)
  end)

  it("may say yes and leave the mailbox to the directory", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function() return mail.accept() end)]]
    local answer = script.ask(stage, { hook = "accept_recipient", address = "stranger@example.test" })
    assert.same({ "stranger@example.test for stranger@example.test" }, answer.targets)
  end)

  it("may redirect to several, which the directory resolves", function()
    local answer = ask_with [[plugin:hook("accept_recipient", function()
      return mail.accept { redirect = { "alice@example.test", "bob@example.test" } } end)]]
    assert.same({ "alice@example.test for alice@example.test", "bob@example.test for bob@example.test" },
      answer.targets)
  end)

  it("is refused when a target of the redirect is", function()
    local answer = ask_with [[plugin:hook("accept_recipient", function()
      return mail.accept { redirect = { "alice@example.test", "nobody@example.test" } } end)]]
    assert.equal("reject", answer.kind)
    assert.same({}, answer.targets)
    assert.matches("nobody@example.test", script.log())
  end)

  it("sees address, localpart, detail and domain", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function(session, r)
      return mail.reject(nil, table.concat({ r.address, r.localpart, r.detail, r.domain,
        session.remote.ip, session.service, session.helo }, " ")) end)]]
    local session = stage:session { helo = "client.test" }
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test",
      detail = "lists", session = session })
    assert.equal("bob@example.test bob lists example.test 192.0.2.1 mta client.test", answer.text)
    session:close()
  end)
end)

describe("auth", function()
  after_each(script.clean)

  local LOGIN = { hook = "auth", mechanism = "PLAIN", user = "bob", password = "secret" }

  it("takes an identity; the mailbox is the user in its canonical form", function()
    local answer = ask_with([[plugin:hook("auth", function(_, c)
      if c.password == "secret" then return { user = c.user, quota = 1000 } end end)]], LOGIN)
    assert.equal("accept", answer.kind)
    assert.equal("bob", answer.user)
    assert.equal("bob@example.test", answer.mailbox)
    assert.equal(1000, answer.quota_octets)
  end)

  it("has no opinion with nil", function()
    assert.equal("none", ask_with([[plugin:hook("auth", function() end)]], LOGIN).kind)
  end)

  it("is a temporary failure with nil and a reason, which the log keeps", function()
    local answer = ask_with([[plugin:hook("auth", function() return nil, "the database is away" end)]], LOGIN)
    assert.equal("tempfail", answer.kind)
    assert.equal("4.7.0", answer.status)
    assert.is_nil(answer.text:find("database"))
    assert.matches("the database is away", script.log())
  end)

  for name, text in pairs {
    ["true"] = "return true", ["a text"] = "return 'bob'",
    ["an identity without user"] = "return { mailbox = 'x' }",
    ["an empty user"] = "return { user = '' }", ["a wrong quota"] = "return { user = 'b', quota = 'x' }",
    ["keep"] = "return mail.keep('x')", ["discard"] = "return mail.discard()",
    ["a user with a line end"] = "return { user = 'a\\r\\nb' }",
    ["a mailbox with a line end"] = "return { user = 'a', mailbox = 'a\\r\\nb' }",
    ["a name without end"] = "return { user = ('x'):rep(1000) }",
  } do
    it("never accepts " .. name, function()
      local answer = ask_with(('plugin:hook("auth", function() %s end)'):format(text), LOGIN)
      assert.equal("tempfail", answer.kind)
      assert.equal("4.7.0", answer.status)
      assert.is_nil(answer.user)
      assert.matches("plugin failed plugin=one hook=auth function=%S+one%.lua:2", script.log())
    end)
  end

  it("leaves no trace of an identity that a later mistake spoiled", function()
    local answer = ask_with([[plugin:hook("auth", function()
      return { user = "bob", quota = { octets = -1 } } end)]], LOGIN)
    assert.equal("tempfail", answer.kind)
    assert.is_nil(answer.user)
  end)
end)

describe("secret", function()
  after_each(script.clean)
  local KEYS = { hook = "secret", mechanism = "SCRAM-SHA-256", user = "bob" }

  it("takes a password in clear", function()
    assert.equal("pw", ask_with([[plugin:hook("secret", function() return { plain = "pw" } end)]], KEYS).plain)
  end)

  it("takes SCRAM keys", function()
    local answer = ask_with([[plugin:hook("secret", function(_, mechanism, user)
      return { salt = mechanism .. user, stored_key = ("s"):rep(32), server_key = ("k"):rep(32),
        iterations = 4096 } end)]], KEYS)
    assert.equal("accept", answer.kind)
    assert.equal("SCRAM-SHA-256bob", answer.salt)
    assert.equal(4096, answer.iterations)
  end)

  it("refuses keys of a wrong length and answers without any", function()
    for _, text in ipairs {
      "{ salt = 'x', stored_key = 'short', server_key = ('k'):rep(32), iterations = 4096 }", "{}",
      "mail.accept()",
    } do
      local answer = ask_with(('plugin:hook("secret", function() return %s end)'):format(text), KEYS)
      assert.equal("tempfail", answer.kind)
    end
  end)
end)

describe("accept_sender", function()
  after_each(script.clean)
  local FROM = { hook = "accept_sender", address = "a@b.test" }

  it("may put another address in the sender's place", function()
    assert.equal("list-bounces@example.test",
      ask_with([[plugin:hook("accept_sender", function() return mail.accept { address = "list-bounces@Example.Test" } end)]], FROM).address)
    assert.equal("", ask_with([[plugin:hook("accept_sender", function() return mail.accept { address = "" } end)]], FROM).address)
    assert.is_nil(ask_with([[plugin:hook("accept_sender", function() return mail.accept() end)]], FROM).address)
  end)

  for address, why in pairs { ["no address"] = "is no address for a sender", ["a@b.test> SIZE=1"] = "is no address for a sender",
    ["п@example.test"] = "came without SMTPUTF8" } do
    it("is the plugin's mistake with " .. address, function()
      local answer = ask_with(([[plugin:hook("accept_sender", function() return mail.accept { address = %q } end)]]):format(address), FROM)
      assert.equal("tempfail", answer.kind)
      assert.matches(why, script.log())
    end)
  end
end)

describe("accept_delivery", function()
  after_each(script.clean)

  it("sees envelope, recipient and the message, and may name another mailbox", function()
    local answer = ask_with([[plugin:hook("accept_delivery", function(session, envelope, recipient, message)
      assert(envelope.sender == "a@b.test" and recipient.mailbox == "bob@example.test")
      return mail.accept { mailbox = message:header "X-Folder" .. "@Example.test" } end)]],
      { hook = "accept_delivery", message = "X-Folder: spam\r\n\r\n" })
    assert.same({ "spam@example.test for ?" }, answer.targets)
  end)

  it("may discard, and may not redirect nor change the header", function()
    local question = { hook = "accept_delivery", message = "Subject: x\r\n\r\n" }
    assert.equal("discard", ask_with([[plugin:hook("accept_delivery", function() return mail.discard() end)]], question).kind)
    for text, why in pairs { ['return mail.accept { redirect = { "a@b.test" } }'] = "redirect in accept_recipient",
      ['select(4, ...):add("X", "y")'] = "may be changed in accept_message only" } do
      question = { hook = "accept_delivery", message = "Subject: x\r\n\r\n" }
      assert.equal("tempfail", ask_with(([[plugin:hook("accept_delivery", function(...) %s end)]]):format(text), question).kind)
      assert.matches(why, script.log())
    end
  end)
end)

describe("a hook that changes", function()
  after_each(script.clean)

  local function change(hook, text, question)
    question.hook = hook
    return ask_with(text, question)
  end

  it("gets what the former made of it", function()
    local answer = change("rewrite_greeting", [[
      plugin:hook("rewrite_greeting", function(_, text) return text .. " one" end)
      plugin:hook("rewrite_greeting", function() end)
      plugin:hook("rewrite_greeting", function(_, text) return text .. " two" end)]], { text = "ESMTP" })
    assert.equal("ESMTP one two", answer.rewrite)
    assert.equal("none", answer.kind)
  end)

  it("sees code, status and text of a reply", function()
    assert.equal("550 5.1.1 No", change("rewrite_reply", [[plugin:hook("rewrite_reply", function(_, r)
      return r.code .. " " .. r.status .. " " .. r.text end)]], { code = "550", status = "5.1.1", text = "No" }).rewrite)
  end)

  it("leaves it as it is when it fails, and the next goes on", function()
    for _, mistake in ipairs { "error('boom')", "return 5", "return nil, 'away'", "return 'a\\r\\nb'", "return ('x'):rep(401)",
      "return mail.reject()", "return '\\xff'" } do
      local answer = change("rewrite_greeting", ([[
        plugin:hook("rewrite_greeting", function() %s end)
        plugin:hook("rewrite_greeting", function(_, text) return text .. " next" end)]]):format(mistake), { text = "ESMTP" })
      assert.equal("ESMTP next", answer.rewrite, mistake)
      assert.equal("none", answer.kind)
      assert.matches("rewrite_greeting", script.log())
    end
  end)

  local KNOWN = "PIPELINING\nSIZE 1000\nAUTH PLAIN LOGIN\nSTARTTLS\n"

  it("may leave capabilities out, put them in another order, and say less", function()
    local answer = change("rewrite_capabilities", [[plugin:hook("rewrite_capabilities", function(_, list)
      assert(#list == 4 and list[2] == "SIZE 1000")
      return { "starttls", "SIZE 500", "AUTH LOGIN" } end)]], { text = KNOWN })
    assert.equal("starttls\nSIZE 500\nAUTH LOGIN\n", answer.rewrite)
    assert.equal("", change("rewrite_capabilities", [[plugin:hook("rewrite_capabilities", function() return {} end)]],
      { text = KNOWN }).rewrite)
  end)

  it("may not announce what the core cannot", function()
    for _, line in ipairs { "DSN", "SIZE 1001", "SIZE 0", "SIZE", "AUTH PLAIN CRAM-MD5", "PIPELININGX", "", "STARTTLS now" } do
      local answer = change("rewrite_capabilities", ([[plugin:hook("rewrite_capabilities", function() return { %q } end)]])
        :format(line), { text = KNOWN })
      assert.equal(KNOWN, answer.rewrite, line)
      assert.matches("nothing that the server can do", script.log())
    end
    assert.equal(KNOWN, change("rewrite_capabilities", [[plugin:hook("rewrite_capabilities", function() return { 5 } end)]],
      { text = KNOWN }).rewrite)
  end)
end)

describe("certificate", function()
  after_each(script.clean)

  it("sees the server's name and the listener, and gives two texts", function()
    local answer = ask_with([[plugin:hook("certificate", function(name, listener)
      return { chain = name .. " chain", key = listener .. " key" } end)]], { hook = "certificate", name = "mx.example.test" })
    assert.same({ "accept", "mx.example.test chain", "spec key" }, { answer.kind, answer.chain, answer.key })
    assert.equal("none", ask_with([[plugin:hook("certificate", function(name) assert(name == nil) end)]], { hook = "certificate" }).kind)
  end)

  it("gives both or is the plugin's mistake", function()
    for _, value in ipairs { "{ chain = 'x' }", "{ key = 'x' }", "'x'", "mail.reject()" } do
      assert.equal("tempfail", ask_with(('plugin:hook("certificate", function() return %s end)'):format(value),
        { hook = "certificate", name = "x" }).kind)
      assert.matches("plugin failed", script.log())
    end
  end)
end)

describe("accept_command", function()
  after_each(script.clean)

  it("sees verb and arguments", function()
    assert.equal("MAIL FROM:<a@b.test>", ask_with([[plugin:hook("accept_command", function(_, verb, arguments)
      return mail.reject(nil, verb .. " " .. arguments) end)]],
      { hook = "accept_command", verb = "MAIL", arguments = "FROM:<a@b.test>" }).text)
  end)
end)

-- Every hook behaves alike when its plugin does not.
local questions = {
  accept_connection = {}, accept_helo = { name = "client.test" },
  auth = { mechanism = "PLAIN", user = "bob", password = "x" },
  secret = { mechanism = "APOP", user = "bob" }, token = { mechanism = "XOAUTH2", user = "b", token = "t" },
  accept_login = {}, accept_sender = { address = "a@b.test" },
  accept_recipient = { address = "bob@example.test" }, accept_data = {},
  accept_command = { verb = "NOOP", arguments = "x" },
  alias = { address = "bob@example.test" }, accept_delivery = { message = "Subject: x\r\n\r\n" },
  on_accept = { message = "Subject: x\r\n\r\n" },
  accept_message = { message = "Subject: x\r\n\r\nbody\r\n" }, on_delete = {},
}

for hook, question in pairs(questions) do
  describe(hook, function()
    after_each(script.clean)
    local about_login = hook == "auth" or hook == "secret" or hook == "token" or hook == "accept_login"
    local status = about_login and "4.7.0" or "4.3.0"

    local function ask(text, extra)
      question.hook, question.session = hook, nil
      local stage = script.plugin(('plugin:hook(%q, function(...) %s end)'):format(hook, text),
        { extra = extra })
      return script.ask(stage, question), stage
    end

    local function assert_failed(answer, why)
      assert.equal("tempfail", answer.kind)
      assert.equal(status, answer.status)
      assert.equal("one", answer.by)
      assert.matches("plugin failed plugin=one hook=" .. hook .. " function=%S+one%.lua:2", (script.log():gsub(why, "")))
    end

    it("is a temporary failure and a log line when its plugin raises an error", function()
      local answer = ask "error('boom')"
      local log = script.log()
      assert.equal("tempfail", answer.kind)
      assert.equal(status, answer.status)
      assert.matches("one%.lua:2: boom", log)
    end)

    it("is one when the plugin returns a wrong type", function()
      assert_failed(ask "return true", "")
    end)

    it("is one when the plugin computes for ever, and the worker goes on", function()
      local answer, stage = ask "while true do end"
      assert.equal("tempfail", answer.kind)
      assert.matches("lua%.cpu", script.log())
      assert.equal(0, stage:numbers().running)
    end)

    it("is one when the plugin waits too long", function()
      local answer = ask("mail.sleep(10)", "lua = { wall = 0.05 }")
      assert.equal("tempfail", answer.kind)
      assert.matches("one%.lua:%d+: no answer after 50 ms", script.log())
    end)

    it("may wait", function()
      local answer, stage = ask "mail.sleep(0.02)"
      assert.is_truthy(answer.kind ~= "tempfail")
      assert.equal(0, stage:numbers().running)
    end)

    it("is dropped when the session closes while it waits", function()
      local stage = script.plugin(([[
        closed = 0
        plugin:hook(%q, function()
          local guard <close> = setmetatable({}, { __close = function() mail.log.info("was closed") end })
          mail.sleep(5)
          mail.log.info("went on")
        end)]]):format(hook))
      question.hook, question.session = hook, nil
      local asked = stage:ask(question)
      assert.is_nil(asked:answer())
      assert.equal(1, stage:numbers().running)
      asked:cancel()
      assert.equal(0, stage:numbers().running)
      stage:spin(20)
      local log = script.log()
      assert.matches("was closed", log)
      assert.is_nil(log:find("went on"))
      assert.is_nil(asked:answer())
    end)
  end)
end

describe("two questions at once", function()
  after_each(script.clean)

  it("do not wait for each other", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function(_, r)
      if r.localpart == "slow" then mail.sleep(0.1) end
      return mail.reject(nil, r.localpart) end)]]
    local slow = stage:ask { hook = "accept_recipient", address = "slow@example.test" }
    local fast = stage:ask { hook = "accept_recipient", address = "fast@example.test" }
    assert.is_nil(slow:answer())
    assert.equal("fast", fast:answer().text)
    stage:run(2000)
    assert.equal("slow", slow:answer().text)
  end)

  it("share the time of the worker when one computes long", function()
    local stage = script.plugin([[
      local turns = 0
      plugin:hook("accept_recipient", function(_, r)
        if r.localpart == "other" then turns = turns + 1 return mail.reject() end
        local t = os.clock()
        while os.clock() - t < 0.06 do end
        return mail.reject(nil, "others had " .. turns)
      end)]], { extra = "lua = { cpu = 1 }" })
    local long = stage:ask { hook = "accept_recipient", address = "long@example.test" }
    assert.is_nil(long:answer())
    script.bind.log_to("/dev/null")
    local other = stage:ask { hook = "accept_recipient", address = "other@example.test" }
    assert.is_truthy(other:answer())
    stage:run(3000)
    assert.equal("others had 1", long:answer().text)
  end)
end)
