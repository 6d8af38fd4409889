-- SMTP smuggling: no sequence but CRLF . CRLF ends a message, and a bare CR or LF refuses it.
local server = require "spec.support.server"

-- The ends of data that some servers took for the real one (2023), and relatives.
local sequences = {
  ["LF . LF"] = "\n.\n",
  ["LF . CRLF"] = "\n.\r\n",
  ["CRLF . LF"] = "\r\n.\n",
  ["CR . CR"] = "\r.\r",
  ["CR . CRLF"] = "\r.\r\n",
  ["CRLF . CR"] = "\r\n.\r",
  ["LF LF . CRLF"] = "\n\n.\r\n",
  ["CRLF . CR NUL LF"] = "\r\n.\r\0\n",
  ["CR LF CR . LF"] = "\r\n\r.\n",
}

local harmless = {
  ["CRLF . SP CRLF"] = "\r\n. \r\n",
  ["CRLF NUL . CRLF"] = "\r\n\0.\r\n",
}

local smuggled = "MAIL FROM:<admin@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n" ..
  "Subject: smuggled\r\n\r\nI was never sent\r\n"

describe("a message end that is none", function()
  local s

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  local function count()
    local c = assert(s:maildrop("bob@example.test"))
    local n = tonumber((c:ask("STAT"):match("^%+OK (%d+)")))
    c:ask("QUIT")
    c:close()
    return n
  end

  local function send(data, pieces)
    local c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:command("MAIL FROM:<x@y.example>")
    c:command("RCPT TO:<bob@example.test>")
    assert.equal(354, (c:command("DATA")))
    if pieces then
      for octet in data:gmatch(".") do c:send(octet) end
    else
      c:send(data)
    end
    local code, text = c:reply()
    assert.equal(250, (c:command("NOOP")))       -- exactly one reply came: the session is in step
    c:close()
    return code, text
  end

  for name, sequence in pairs(sequences) do
    for _, pieces in ipairs { false, true } do
      it(("is refused after the real end: %s%s"):format(name, pieces and ", octet by octet" or ""), function()
        local before = count()
        local code, text = send("Subject: one\r\n\r\ntext" .. sequence .. smuggled .. "\r\n.\r\n", pieces)
        assert.equal(550, code)
        assert.is_truthy(text:find("^5%.6%."), text)
        assert.equal(before, count())
      end)
    end
  end

  for name, sequence in pairs(harmless) do
    it("is only text: " .. name, function()
      local before = count()
      local code, text = send("Subject: one\r\n\r\ntext" .. sequence .. "more\r\n.\r\n")
      assert.equal(250, code, text)
      assert.equal(before + 1, count())
    end)
  end

  it("is refused in BDAT as well", function()
    local c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:command("MAIL FROM:<x@y.example>")
    c:command("RCPT TO:<bob@example.test>")
    local data = "Subject: one\r\n\r\ntext\n.\n"
    c:send(("BDAT %d LAST\r\n"):format(#data) .. data)
    local code, text = c:reply()
    assert.equal(550, code)
    assert.is_truthy(text:find("^5%.6%."), text)
    c:close()
  end)

  it("leaves a command with a bare LF unanswered as a command", function()
    local c = s:connect("mta")
    c:reply()
    c:send("EHLO client.example\nMAIL FROM:<x@y.example>\r\n")
    assert.equal(5, c:reply() // 100)
    assert.equal(250, (c:command("NOOP")))
    c:close()
  end)
end)
