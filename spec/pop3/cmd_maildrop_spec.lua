local pop3 = require "spec.support.pop3"

describe("the TRANSACTION state", function()
  local s
  before_each(function()
    s = pop3.new { mailbox = { pop3.message(120), { octets = pop3.message(200), uidl = "second" } } }
    s:login()
  end)

  it("counts messages and octets in STAT, without those that are marked", function()
    assert.equal("+OK 2 320\r\n", s:say("STAT"))
    s:say("DELE 1")
    assert.equal("+OK 1 200\r\n", s:say("STAT"))
    s:say("DELE 2")
    assert.equal("+OK 0 0\r\n", s:say("STAT"))
  end)

  it("lists messages with their sizes", function()
    assert.equal("+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n", s:say("LIST"))
    assert.equal("+OK 2 200\r\n", s:say("LIST 2"))
    s:say("DELE 1")
    assert.equal("+OK 1 message (200 octets)\r\n2 200\r\n.\r\n", s:say("LIST"))
    s:say("DELE 2")
    assert.equal("+OK 0 messages (0 octets)\r\n.\r\n", s:say("LIST"))
  end)

  it("lists unique ids, the provider's own where it has one", function()
    assert.equal("+OK\r\n1 00005eed.1\r\n2 second\r\n.\r\n", s:say("UIDL"))
    assert.equal("+OK 1 00005eed.1\r\n", s:say("UIDL 1"))
    assert.equal("+OK 2 second\r\n", s:say("UIDL 2"))
    s:say("DELE 1")
    assert.equal("+OK\r\n2 second\r\n.\r\n", s:say("UIDL"))
  end)

  it("keeps the numbers of messages while others are marked", function()
    s:say("DELE 1")
    assert.equal("+OK 2 200\r\n", s:say("LIST 2"))
  end)

  describe("with a message number", function()
    local commands = { "LIST %s", "UIDL %s", "RETR %s", "TOP %s 1", "DELE %s" }

    it("says that there is no such message", function()
      for _, command in ipairs(commands) do
        for _, number in ipairs { "0", "3", "4294967297", "18446744073709551617" } do
          assert.equal("-ERR no such message, only 2 messages in maildrop\r\n",
            s:say(command:format(number)))
        end
      end
    end)

    it("says that it is not a number", function()
      local t = pop3.new { mailbox = { pop3.message(120) }, settings = { max_errors = 0 } }
      t:login()
      for _, command in ipairs(commands) do
        for _, word in ipairs { "-1", "+1", "one", "1.0", "0x1", "1a" } do
          assert.equal(('-ERR "%s" is not a number\r\n'):format(word), t:say(command:format(word)))
        end
      end
    end)

    it("says that it is deleted already", function()
      s:say("DELE 1")
      for _, command in ipairs(commands) do
        assert.equal("-ERR message 1 already deleted\r\n", s:say(command:format("1")))
      end
    end)

    it("takes leading zeros and spaces", function()
      assert.equal("+OK 1 120\r\n", s:say("LIST  01 "))
    end)

    it("does not count a wrong number as a bad command", function()
      for _ = 1, 30 do s:say("RETR 9") end
      assert.equal("read", s:wants())
    end)
  end)

  it("takes all marks back with RSET", function()
    s:say("DELE 1", "DELE 2")
    assert.equal("+OK maildrop has 2 messages (320 octets)\r\n", s:say("RSET"))
    assert.equal("+OK 2 320\r\n", s:say("STAT"))
    assert.equal("+OK message 1 deleted\r\n", s:say("DELE 1"))
  end)

  it("answers LAST with the highest number retrieved, whatever DELE, TOP and RSET do", function()
    assert.equal("+OK 0\r\n", s:say("LAST"))
    s:say("TOP 2 0", "DELE 2")
    assert.equal("+OK 0\r\n", s:say("LAST"))
    s:say("RSET", "RETR 2", "RETR 1")
    assert.equal("+OK 2\r\n", s:say("LAST"))
    s:say("RSET")
    assert.equal("+OK 2\r\n", s:say("LAST"))
  end)

  it("does nothing with NOOP", function()
    assert.equal("+OK\r\n", s:say("NOOP"))
  end)

  describe("with ten thousand messages", function()
    local many = {}
    for i = 1, 10000 do many[i] = "x" end

    it("lists them under back-pressure, in pieces", function()
      local t = pop3.new { mailbox = many }
      t:login()
      t:feed("UIDL\r\n")
      assert.equal("drain", t:wants())
      assert.is_true(t:unwritten() < 66000)
      local _, rows = t:read_all():gsub("\r\n%d+ 00005eed%.%d+", "")
      assert.equal(10000, rows)
      assert.matches("\r\n10000 1\r\n%.\r\n$", t:say("LIST"))
    end)

    it("goes on with the next command behind the listing", function()
      local t = pop3.new { mailbox = many }
      t:login()
      assert.matches("\r\n10000 1\r\n%.\r\n%+OK\r\n%+OK 10000 10000\r\n$", t:say("LIST", "NOOP", "STAT"))
    end)

    it("skips what is marked", function()
      local t = pop3.new { mailbox = many }
      t:login()
      for i = 1, 10000, 2 do t:say("DELE " .. i) end
      local _, rows = t:say("LIST"):gsub("\n%d+ 1\r", "")
      assert.equal(5000, rows)
      assert.equal("+OK 5000 5000\r\n", t:say("STAT"))
    end)
  end)
end)
