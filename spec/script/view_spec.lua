-- The message object of accept_message: header, lines, octets.
local script = require "spec.support.script"

local LETTER = "Return-Path: <a@b.test>\r\nReceived: one\r\n\ttwo\r\nreceived: three\r\nSubject: x\r\n\r\nfirst\r\n\r\nlast"

---What the plugin's text makes of a message: the text of its refusal.
local function say(text, letter)
  local stage = script.plugin(([[plugin:hook("accept_message", function(_, envelope, message) %s end)]]):format(text))
  local answer = script.ask(stage, { hook = "accept_message", message = letter or LETTER })
  return answer.text, answer.kind
end

describe("message", function()
  after_each(script.clean)

  it("gives one field, all of a name, or every field in order", function()
    assert.equal("one?two three 2 nil", say [[
      local all = message:header("Received", true)
      return mail.reject(nil, table.concat({ message:header "received", all[2], #all, tostring(message:header "none") }, " ")) ]])
    assert.equal("Return-Path Received received Subject=x", say [[
      local names = {}
      for name, value in message:headers() do
        names[#names + 1] = name == "Subject" and name .. "=" .. value or name
      end
      return mail.reject(nil, table.concat(names, " ")) ]])
  end)

  it("gives its lines, as they came", function()
    assert.equal("9:Return-Path: <a@b.test>:?two::last", say [[
      local lines = {}
      for line in message:lines() do lines[#lines + 1] = line end
      return mail.reject(nil, table.concat({ #lines, lines[1], lines[3], lines[6], lines[9] }, ":")) ]])
    assert.equal("0", say([[ local n = 0 for _ in message:lines() do n = n + 1 end return mail.reject(nil, n .. "") ]], ""))
    assert.equal("65536 34464 3", say([[
      local n = {}
      for line in message:lines() do n[#n + 1] = #line end
      return mail.reject(nil, table.concat(n, " ")) ]], ("x"):rep(100000) .. "\r\nabc"))
  end)

  it("shows changes at once, to the next plugin too", function()
    local stage = script.plugin [[
      plugin:hook("accept_message", function(_, _, message)
        assert(message:add("X-B", "last"))
        assert(message:add("X-A", "first", { top = true }))
        assert(message:set("Subject", "да"))
        assert(message:remove("Received") == 2)
      end)
      plugin:hook("accept_message", function(_, _, message)
        local all = {}
        for name, value in message:headers() do all[#all + 1] = name .. "=" .. value end
        return mail.reject(nil, table.concat(all, " ") .. " " .. message:read(0, 11))
      end)]]
    assert.equal("Return-Path=<a@b.test> X-A=first Subject==?UTF-8?B?0LTQsA==?= X-B=last Return-Path",
      script.ask(stage, { hook = "accept_message", message = LETTER }).text)
  end)

  it("refuses values that could end the field, with a word; names and Return-Path are the author's mistakes", function()
    assert.equal("protocol protocol limit", say [[
      local words = {}
      for i, value in ipairs { "a\r\nBcc: b", "\xff", ("x"):rep(2000) } do
        local ok, text, word = message:add("X", value)
        assert(ok == nil and #text > 10)
        words[i] = word
      end
      return mail.reject(nil, table.concat(words, " ")) ]])
    for text, why in pairs {
      ['message:add("X:", "y")'] = 'message:add: "X:" is no name of a header field',
      ['message:set("return-path", "<x>")'] = "message:set: Return%-Path is the envelope's sender",
      ['message:add("X", "y", { bottom = true })'] = "the one option is top = true",
      ['message:add("X")'] = "string expected",
      ['message:nothing()'] = 'message has no "nothing"; there are octets',
      ['for n in message:headers() do message:remove "Subject" end'] = "the header was changed meanwhile",
    } do
      local _, kind = say(text)
      assert.equal("tempfail", kind)
      assert.matches(why, (script.log():gsub("\\", "")))
    end
  end)

  it("is gone when the hook is over", function()
    local stage = script.plugin [[
      local kept, step
      plugin:hook("accept_message", function(_, _, message) kept, step = message, message:lines() end)
      plugin:hook("accept_helo", function(_, name) if name == "lines" then step() else kept:add("X", "y") end end)]]
    script.ask(stage, { hook = "accept_message", message = LETTER })
    for _, name in ipairs { "lines", "add" } do
      assert.equal("tempfail", script.ask(stage, { hook = "accept_helo", name = name }).kind)
      assert.matches("the message is gone", script.log())
    end
  end)

  it("cannot be changed by a backend that stores it", function()
    local stage = script.plugin [[plugin:hook("mailbox", { open = function() end, append = function(name, message)
      message:add("X", "y") return true end })]]
    local session = stage:session()
    assert.same({ "TEMPFAIL" }, script.deliver(stage, session, { "alice@example.test" }, LETTER))
    assert.matches("may be changed in accept_message only", script.log())
    session:close()
  end)
end)
