-- The dialogue of the textbooks, word for word.
local pop3 = require "spec.support.pop3"

describe("the classic dialogue", function()
  local first, second = pop3.message(120), pop3.message(200)
  local dialogue = {
    { "USER kcope", "+OK\r\n" },
    { "PASS secret", "+OK kcope's maildrop has 2 messages (320 octets)\r\n" },
    { "STAT", "+OK 2 320\r\n" },
    { "LIST", "+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n" },
    { "RETR 1", "+OK 120 octets\r\n" .. first .. ".\r\n" },
    { "DELE 1", "+OK message 1 deleted\r\n" },
    { "DELE 2", "+OK message 2 deleted\r\n" },
    { "DELE 2", "-ERR message 2 already deleted\r\n" },
    { "RSET", "+OK maildrop has 2 messages (320 octets)\r\n" },
    { "LAST", "+OK 1\r\n" },
    { "TOP 1 10", "+OK\r\n" .. first .. ".\r\n" },
    { "QUIT", "+OK mail.example.test POP3 server signing off (2 messages left)\r\n" },
  }

  local function session()
    return pop3.new { mailbox = { first, second } }
  end

  it("reads as the slides show it", function()
    local s = session()
    assert.matches("^%+OK [^\r]*\r\n$", s:read_all())
    for _, turn in ipairs(dialogue) do
      assert.equal(turn[2], s:say(turn[1]))
    end
    assert.equal("close", s:wants())
  end)

  it("reads the same byte by byte", function()
    local s = session()
    s:read_all()
    for _, turn in ipairs(dialogue) do
      assert.equal(turn[2], s:say_slowly(turn[1]))
    end
  end)

  it("reads the same when all of it comes in one packet", function()
    local s = session()
    s:read_all()
    local commands, replies = {}, {}
    for i, turn in ipairs(dialogue) do commands[i], replies[i] = turn[1], turn[2] end
    assert.equal(table.concat(replies), s:say(table.unpack(commands)))
  end)

  it("ends with an empty maildrop when both messages were deleted", function()
    local s = session()
    s:login()
    s:say("DELE 1", "DELE 2")
    assert.equal("+OK mail.example.test POP3 server signing off (maildrop empty)\r\n", s:say("QUIT"))
  end)

  it("ends with one message left in the singular", function()
    local s = session()
    s:login()
    s:say("DELE 1")
    assert.equal("+OK mail.example.test POP3 server signing off (1 message left)\r\n", s:say("QUIT"))
  end)

  it("greets one message in the singular", function()
    local s = pop3.new { mailbox = { first } }
    assert.equal("+OK\r\n+OK kcope's maildrop has 1 message (120 octets)\r\n", s:login())
  end)
end)
