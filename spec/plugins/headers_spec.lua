local script = require "spec.support.script"

local LETTER = "Return-Path: <a@b.test>\r\nX-Spam-Flag: NO\r\nx-spam-flag: YES\r\nSubject: one\r\n\r\nbody\r\n"

describe("headers", function()
  after_each(script.clean)

  ---The header that the rules make, as the next plugin sees it.
  local function header(rules, session_setup, letter)
    local stage = script.new {
      plugins = { last = [[
        local plugin = ...
        plugin:hook("accept_message", function(_, _, message)
          local fields = {}
          for name, value in message:headers() do fields[#fields + 1] = name .. "=" .. value end
          require "moonpost".log.info("made", { text = table.concat(fields, "; ") })
        end, { priority = -1 })]] },
      list = ('{ "headers", options = { rules = { %s } } }, "last"'):format(rules),
    }
    local session = stage:session(session_setup)
    local answer = script.ask(stage, { hook = "accept_message", message = letter or LETTER, session = session })
    session:close()
    local log = script.log()
    assert.equal("none", answer.kind, log)
    return log:match('text="(.-)"\n'), log
  end

  it("adds, sets and removes, in the order of the rules", function()
    assert.equal("Return-Path=<a@b.test>; X-First=1; Subject=two; X-Last=z", (header [[
      { action = "remove", field = "X-Spam-Flag" }, { action = "set", field = "Subject", value = "two" },
      { action = "add", field = "X-Last", value = "z" }, { action = "add", field = "X-First", value = "1", top = true } ]]))
  end)

  it("fills in what is known", function()
    local text = header([[{ action = "set", field = "Subject",
      value = "${ip} ${helo} ${user}${tls} ${sender} ${recipients} ${hostname}" }]],
      { helo = "client.test" })
    assert.matches("Subject=192%.0%.2%.1 client%.test none a@b%.test 1 mail%.example%.test$", text)
  end)

  it("applies rules to whom they fit", function()
    local function applies(condition, session)
      return header(('{ action = "add", field = "X-Yes", value = "1", %s }'):format(condition), session):find("X-Yes", 1, true) ~= nil
    end
    assert.is_true(applies "signed_in = false")
    assert.is_false(applies "signed_in = true")
    assert.is_true(applies("signed_in = true", { user = "alice@example.test" }))
    assert.is_true(applies 'sender = "*@B.test"')
    assert.is_false(applies 'sender = "*@bxtest"')
    assert.is_true(applies 'recipient = "bob@*"')
    assert.is_false(applies 'recipient = "alice@*"')
    assert.is_true(applies 'has = "subject"')
    assert.is_false(applies 'lacks = "subject"')
    assert.is_true(applies 'lacks = "Message-ID"')
    assert.is_false(applies 'listener = "elsewhere"')
  end)

  it("leaves out a value that a client made impossible, and accepts the message", function()
    local text, log = header([[{ action = "set", field = "Subject", value = "${helo}" }, { action = "add", field = "X", value = "y" }]],
      { helo = ("x"):rep(1200) })
    assert.matches("Subject=one; X=y", text)
    assert.matches("a header field is left as it is", log)
  end)

  for rule, why in pairs {
    ['{ action = "change", field = "X" }'] = "rules%[1%]: action is add, set or remove",
    ['{ action = "add", field = "X", value = "y", foo = 1 }'] = "unknown key foo",
    ['{ action = "add", field = "X" }'] = "add needs a value", ['{ action = "add" }'] = "field is missing",
    ['{ action = "remove", field = "X", value = "y" }'] = "remove has no value",
    ['{ action = "set", field = "X Y", value = "y" }'] = "is no name of a header field",
    ['{ action = "set", field = "return-path", value = "y" }'] = "cannot be changed here",
    ['{ action = "set", field = "X", value = "${nothing}" }'] = "unknown %${nothing}",
    ['{ action = "set", field = "X", value = "a\\nb" }'] = "one line of text",
    ['{ action = "set", field = "X", value = "a", top = true }'] = "top is for add alone",
    ['{ action = "add", field = "X", value = 5 }'] = "value is a string",
  } do
    it("does not start with the rule " .. rule, function()
      local stage, err = script.try { list = ('{ "headers", options = { rules = { %s } } }'):format(rule) }
      assert.is_nil(stage)
      assert.matches(why, err)
    end)
  end
end)
