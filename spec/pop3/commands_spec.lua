local pop3 = require "spec.support.pop3"

local authorization = { "USER a", "PASS a", "APOP a b", "AUTH", "STLS", "UTF8" }
local transaction = {
  "STAT", "LIST", "LIST 1", "UIDL", "UIDL 1", "RETR 1", "TOP 1 1", "DELE 1", "RSET", "LAST", "NOOP",
}

describe("the table of commands", function()
  it("allows the commands of TRANSACTION in no other state", function()
    local s = pop3.new { mailbox = { pop3.message(120) }, settings = { max_errors = 0 } }
    s:read_all()
    for _, line in ipairs(transaction) do
      local verb = line:match("%u+")
      assert.equal(("-ERR %s is not allowed in the AUTHORIZATION state\r\n"):format(verb), s:say(line))
    end
    s:login()
    for _, line in ipairs(transaction) do
      assert.matches("^%+OK", s:say(line), line)
      if line == "DELE 1" then s:say("RSET") end
    end
  end)

  it("allows the commands of AUTHORIZATION in no other state", function()
    local s = pop3.new()
    s:login()
    for _, line in ipairs(authorization) do
      local verb = line:match("%w+")
      assert.equal(("-ERR %s is not allowed in the TRANSACTION state\r\n"):format(verb), s:say(line))
    end
  end)

  it("allows CAPA, LANG and QUIT in both", function()
    local s = pop3.new()
    s:read_all()
    for _, line in ipairs { "CAPA", "LANG" } do assert.matches("^%+OK", s:say(line)) end
    s:login()
    for _, line in ipairs { "CAPA", "LANG", "QUIT" } do assert.matches("^%+OK", s:say(line)) end
  end)

  it("says what the arguments should have been", function()
    local s = pop3.new { mailbox = { pop3.message(120) }, settings = { max_errors = 0 } }
    s:read_all()
    local function refused(line, usage)
      assert.equal(("-ERR wrong arguments, usage: %s\r\n"):format(usage), s:say(line))
    end
    refused("USER", "USER name")
    refused("PASS", "PASS password")
    refused("PASS ", "PASS password")
    refused("APOP name", "APOP name digest")
    refused("APOP name digest more", "APOP name digest")
    refused("AUTH PLAIN a b", "AUTH [mechanism [response]]")
    refused("STLS now", "STLS")
    refused("UTF8 now", "UTF8")
    refused("CAPA all", "CAPA")
    refused("LANG en ru", "LANG [language]")
    refused("QUIT now", "QUIT")
    s:login()
    refused("STAT 1", "STAT")
    refused("LIST 1 2", "LIST [message]")
    refused("UIDL 1 2", "UIDL [message]")
    refused("RETR", "RETR message")
    refused("RETR 1 2", "RETR message")
    refused("TOP 1", "TOP message lines")
    refused("TOP 1 2 3", "TOP message lines")
    refused("DELE", "DELE message")
    refused("RSET 1", "RSET")
    refused("LAST 1", "LAST")
    refused("NOOP 1", "NOOP")
  end)

  it("knows no other commands, and no empty one", function()
    local s = pop3.new()
    s:read_all()
    for _, line in ipairs { "HELO x", "XTND XMIT", "USERS a", "USE a", "", " USER a" } do
      assert.equal("-ERR unknown command\r\n", s:say(line), line)
    end
  end)

  describe("shows observers", function()
    local s
    before_each(function()
      s = pop3.new { settings = { apop = true } }
      s:read_all()
    end)

    it("every command line", function()
      s:login()
      s:say("STAT", "lis 1")
      assert.same({ "command USER kcope", "command PASS ****", "command STAT", "command lis 1" },
        s:seen("command"))
    end)

    it("no password, digest or response", function()
      s:say("USER kcope", "PASS two words", "APOP kcope 0123456789abcdef0123456789abcdef",
        "AUTH PLAIN AGtjb3BlAHNlY3JldA==")
      assert.same({ "command USER kcope", "command PASS ****", "command APOP kcope ****",
        "command AUTH PLAIN ****" }, s:seen("command"))
    end)

    it("nothing behind the name in USER: some type the password there", function()
      s:say("USER kcope secret")
      assert.same({ "command USER kcope ****" }, s:seen("command"))
    end)

    it("no response of an exchange, and no challenge", function()
      s:say("AUTH LOGIN", "a2NvcGU=", "*")
      assert.same({ "command AUTH LOGIN", "reply + ****", "command ****", "reply + ****", "command *" },
        { table.unpack(s:seen("command", "reply"), 2, 6) })
    end)

    it("no word before login that could be a password typed too early or too late", function()
      s:say("c2VjcmV0", "secretpassword", "PAS secret", "HELO", "PASS\tsecret", "USER a\nPASS secret")
      assert.same({ "command ****", "command ****", "command PAS ****", "command HELO", "command ****",
        "command (line refused)" }, s:seen("command"))
    end)

    it("the state a command was given in and a reply was made in", function()
      s:login()
      s:say("QUIT")
      local states = {}
      for _, event in ipairs(s:events()) do
        if event.kind == "command" or event.kind == "reply" then
          states[#states + 1] = event.kind .. " " .. event.state
        end
      end
      assert.same({ "reply AUTHORIZATION", "command AUTHORIZATION", "reply AUTHORIZATION",
        "command AUTHORIZATION", "reply TRANSACTION", "command TRANSACTION", "reply UPDATE" }, states)
    end)
  end)
end)

describe("accept_command", function()
  local function judging(answers, options)
    options = options or {}
    local seen = {}
    options.mailbox = { pop3.message(120) }
    options.hooks = { "accept_command" }
    options.policy = function(q)
      if q.hook == "accept_command" then
        seen[#seen + 1] = q.verb .. (q.arguments ~= "" and " " .. q.arguments or "")
        return answers[q.verb]
      end
      return q.hook == "auth" and { kind = "accept", user = q.user } or nil
    end
    local s = pop3.new(options)
    s:read_all()
    return s, seen
  end

  it("is asked for each command that may run, with its secrets masked, but not for QUIT", function()
    local s, seen = judging {}
    s:say("user kcope", "PASS  sec ret ", "STAT x", "RETR 1", "NONSENSE", "LIST", "QUIT")
    assert.same({ "USER kcope", "PASS ****", "RETR 1", "LIST" }, seen)
  end)

  it("may refuse, for good or for now, and the command does nothing", function()
    local s = judging { DELE = { kind = "reject", text = "read only" }, STAT = { kind = "tempfail" }, LIST = { kind = "reject" } }
    s:login()
    assert.equal("-ERR [SYS/PERM] read only\r\n-ERR [SYS/TEMP] command refused, try again later\r\n-ERR [SYS/PERM] command refused\r\n" ..
      "+OK mail.example.test POP3 server signing off (1 message left)\r\n", s:say("DELE 1", "STAT", "LIST", "QUIT"))
    assert.same({}, s.options.committed)
  end)

  it("may end the session, and nothing is deleted", function()
    local s = judging { NOOP = { kind = "disconnect", text = "enough" } }
    s:login()
    assert.equal("+OK message 1 deleted\r\n-ERR [SYS/PERM] enough\r\n", s:say("DELE 1", "NOOP"))
    assert.equal("close", s:wants())
    assert.same({}, s.options.committed)
  end)

  it("may take its time; what is pipelined behind waits, and a password is kept for it", function()
    local s = judging({ PASS = "later" })
    assert.equal("+OK\r\n", s:say("USER kcope", "PASS secret", "STAT"))
    assert.equal("wait", s:wants())
    s:answer(nil)
    assert.equal("+OK kcope's maildrop has 1 message (120 octets)\r\n+OK 1 120\r\n", s:read_all())
    s:say "NOOP"
  end)

  it("is dropped with the session", function()
    local s = judging { USER = "later" }
    s:say "USER kcope"
    assert.equal("wait", s:wants())
    s:close()
  end)
end)
