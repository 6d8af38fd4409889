local pop3 = require "spec.support.pop3"
local base = require "spec.support.bind"("base")

describe("a POP3 session", function()
  describe("at its start", function()
    it("greets with the host's name", function()
      assert.equal("+OK mail.example.test POP3 server ready\r\n", pop3.new():read_all())
    end)

    it("greets with the banner of the configuration", function()
      local s = pop3.new { settings = { banner = "hello from the lab" } }
      assert.equal("+OK hello from the lab\r\n", s:read_all())
    end)

    it("shows an APOP timestamp only when APOP is configured, a new one each time", function()
      local function greeting(apop)
        return pop3.new { settings = { apop = apop } }:read_all()
      end
      assert.not_matches("<", greeting(false))
      local pattern = "^%+OK mail%.example%.test POP3 server ready (<[^<> ]+@mail%.example%.test>)\r\n$"
      local one, two = greeting(true):match(pattern), greeting(true):match(pattern)
      assert.is_string(one)
      assert.is_string(two)
      assert.not_equal(one, two)
    end)

    it("asks accept_connection first and can send the client away", function()
      for kind, reply in pairs {
        reject = "-ERR not you\r\n", tempfail = "-ERR [SYS/TEMP] not you\r\n", disconnect = "-ERR not you\r\n",
      } do
        local s = pop3.new {
          hooks = { "accept_connection" },
          policy = function() return { kind = kind, text = "not you" } end,
        }
        assert.equal(reply, s:read_all())
        assert.equal("close", s:wants())
      end
    end)

    it("holds the greeting until a late answer, and as long as the verdict's delay", function()
      local s = pop3.new {
        hooks = { "accept_connection" }, policy = function() return "later" end,
      }
      assert.equal("accept_connection", s:pending())
      assert.equal("wait", s:wants())
      s:answer { kind = "accept", delay = 700 }
      assert.equal(700, s:delay())
      assert.equal("", s:read_all())
      s:delayed()
      assert.equal(0, s:delay())
      assert.matches("^%+OK ", s:read_all())
      assert.equal("read", s:wants())
      assert.equal(1, s:numbers().changes)
    end)
  end)

  describe("reading lines", function()
    local s
    before_each(function()
      s = pop3.new()
      s:read_all()
    end)

    it("takes verbs in any case and spaces behind them", function()
      assert.equal("+OK\r\n", s:say("uSeR kcope"))
      assert.matches("^%+OK kcope's", s:say("pass secret"))
      assert.equal("+OK 0 0\r\n", s:say("stat   "))
    end)

    it("refuses a line that is too long once and goes on behind it", function()
      local long = ("x"):rep(600)
      assert.equal("-ERR line too long\r\n+OK\r\n", s:say("USER " .. long, "USER kcope"))
      assert.equal("-ERR line too long\r\n+OK\r\n", s:say_slowly("USER " .. long, "USER kcope"))
    end)

    it("takes a line of just max_command_octets with its CRLF", function()
      assert.equal("+OK\r\n", s:say("USER " .. ("x"):rep(512 - 7)))
      assert.equal("-ERR line too long\r\n", s:say("USER " .. ("x"):rep(512 - 6)))
    end)

    it("gives AUTH the longer limit of max_auth_line_octets", function()
      local token = ("eHh4"):rep(1000)
      assert.not_matches("too long", s:say("AUTH PLAIN " .. token))
      assert.equal("-ERR line too long\r\n", s:say("AUTH PLAIN " .. token:rep(4)))
      s:say("AUTH PLAIN")
      assert.equal("-ERR line too long\r\n", s:say(token:rep(4)))
      assert.equal("+OK\r\n", s:say("USER kcope"))
    end)

    it("refuses a bare CR or LF and what stands on that line", function()
      local refusal = "-ERR bare CR or LF, lines end with CRLF\r\n"
      assert.equal(refusal, s:say("CAPA\nCAPA"))
      assert.equal(refusal, s:say("CAPA\rCAPA"))
      assert.equal(refusal .. "+OK\r\n", s:say("CAPA\nCAPA", "USER kcope"))
      assert.equal(refusal .. "+OK\r\n", s:say_slowly("CAPA\nCAPA", "USER kcope"))
    end)

    it("tells somebody who ends lines with LF alone without waiting for a CRLF", function()
      s:feed("CAPA\n")
      assert.equal("-ERR bare CR or LF, lines end with CRLF\r\n", s:read_all())
    end)

    it("refuses control characters and octets that are not UTF-8", function()
      local refusal = "-ERR control characters or broken UTF-8 in the command\r\n"
      for _, line in ipairs { "USER a\0b", "USER a\tb", "USER a\127", "USER \xff", "USER \xc0\x80" } do
        assert.equal(refusal, s:say(line))
      end
    end)

    it("closes after max_errors bad commands in a row", function()
      for _ = 1, 19 do s:say("HELO") end
      assert.equal("+OK\r\n", s:say("USER kcope"))
      for _ = 1, 19 do assert.equal("-ERR unknown command\r\n", s:say("HELO")) end
      assert.equal("-ERR too many bad commands, closing\r\n", s:say("HELO", "CAPA"))
      assert.equal("close", s:wants())
    end)
  end)

  describe("with many commands in one packet", function()
    it("answers all of them at once, in order", function()
      local s = pop3.new { mailbox = { pop3.message(120) } }
      s:read_all()
      assert.equal("+OK\r\n+OK kcope's maildrop has 1 message (120 octets)\r\n+OK 1 120\r\n+OK\r\n" ..
        "+OK mail.example.test POP3 server signing off (1 message left)\r\n",
        s:say("USER kcope", "PASS secret", "STAT", "NOOP", "QUIT"))
      assert.equal("close", s:wants())
    end)

    it("reads no command behind one that waits, and goes on by itself", function()
      local s = pop3.new { policy = function() return "later" end }
      s:read_all()
      assert.equal("+OK\r\n", s:say("USER kcope", "PASS secret", "STAT", "NOOP"))
      assert.equal("wait", s:wants())
      assert.equal(#"STAT\r\nNOOP\r\n", s:unread())
      s:answer { kind = "accept", user = "kcope" }
      assert.equal("+OK kcope's maildrop has 0 messages (0 octets)\r\n+OK 0 0\r\n+OK\r\n", s:read_all())
    end)

    it("stops while more output is unwritten than the host wants to hold", function()
      local s = pop3.new { mailbox = { pop3.message(40000) } }
      s:login()
      s:feed(("RETR 1\r\n"):rep(20))
      assert.equal("drain", s:wants())
      assert.is_true(s:unwritten() < 200000)
      assert.is_true(s:unread() > 0)
      local _, count = s:read_all():gsub("%+OK 40000 octets", "")
      assert.equal(20, count)
    end)

    it("stops so for small replies as well", function()
      local s = pop3.new()
      s:login()
      s:feed(("NOOP\r\n"):rep(50000))
      assert.equal("drain", s:wants())
      assert.is_true(s:unwritten() < 66000)
      assert.equal(("+OK\r\n"):rep(50000), s:read_all())
    end)

    it("ignores what stands behind QUIT", function()
      local s = pop3.new()
      s:read_all()
      assert.equal("+OK mail.example.test POP3 server signing off\r\n", s:say("QUIT", "CAPA"))
    end)
  end)

  describe("and time", function()
    after_each(function() base.clock_fake(0) end)

    it("waits login_timeout before login and idle_timeout behind it", function()
      local s = pop3.new { settings = { login_timeout_ms = 1000, idle_timeout_ms = 5000 } }
      assert.equal(1000, s:timeout())
      s:login()
      assert.equal(5000, s:timeout())
    end)

    it("closes without a word and without UPDATE when it is over", function()
      local s = pop3.new { mailbox = { pop3.message(120) } }
      s:login()
      s:say("DELE 1")
      s:timed_out()
      assert.equal("", s:read_all())
      assert.equal("close", s:wants())
      s:close()
      assert.same({}, s.options.committed)
    end)

    it("gives no new time to octets that trickle in without ending a line", function()
      local s = pop3.new { settings = { login_timeout_ms = 10000 } }
      base.clock_fake(1000 * 1000000)
      s:feed("C")
      assert.equal(10000, s:timeout())
      base.clock_fake(1009 * 1000000)
      s:feed("A")
      assert.equal(1000, s:timeout())
      base.clock_fake(1020 * 1000000)
      s:feed("P")
      assert.equal(1, s:timeout())
      s:feed("A\r\n")
      assert.equal(10000, s:timeout())
    end)

    it("gives none to a line that is too long and does not end either", function()
      local s = pop3.new { settings = { login_timeout_ms = 10000 } }
      base.clock_fake(1000 * 1000000)
      s:feed(("x"):rep(600))
      base.clock_fake(1009 * 1000000)
      s:feed("x")
      assert.equal(1000, s:timeout())
      s:feed("\r\n")
      assert.equal(10000, s:timeout())
    end)

    it("has no time-out while it waits for an answer of its own side", function()
      local s = pop3.new { policy = function() return "later" end }
      s:login()
      assert.equal(0, s:timeout())
      s:timed_out()
      assert.equal("wait", s:wants())
    end)
  end)

  describe("when the server stops", function()
    it("says so and closes an idle session, deleting nothing", function()
      local s = pop3.new { mailbox = { pop3.message(120) } }
      s:login()
      s:say("DELE 1")
      s:stop()
      assert.equal("-ERR [SYS/TEMP] server is shutting down\r\n", s:read_all())
      assert.equal("close", s:wants())
      assert.same({}, s.options.committed)
    end)

    it("finishes the running command first", function()
      local s = pop3.new { mailbox = { pop3.message(200000) } }
      s:login()
      s:feed("RETR 1\r\nNOOP\r\n")
      s:stop()
      local got = s:read_all()
      assert.matches("\r\n%.\r\n%-ERR %[SYS/TEMP%] server is shutting down\r\n$", got)
      assert.equal("close", s:wants())
    end)

    it("finishes a commit that is on its way", function()
      local s = pop3.new { mailbox = { pop3.message(120) }, commit_later = true }
      s:login()
      s:say("DELE 1", "QUIT")
      s:stop()
      assert.equal("wait", s:wants())
      s:answer()
      assert.equal("+OK mail.example.test POP3 server signing off (maildrop empty)\r\n", s:read_all())
    end)
  end)

  describe("that is cut off while it waits", function()
    local function cut(options, commands)
      local s = pop3.new(options)
      s:login()
      for _, command in ipairs(commands or {}) do s:say(command) end
      assert.equal("wait", s:wants())
      s:close()
      return s
    end

    it("cancels the question", function()
      local s = cut { policy = function() return "later" end }
      assert.equal(1, s:numbers().canceled)
    end)

    it("cancels the opening of the maildrop", function()
      assert.equal(1, cut { open_later = true }:numbers().canceled)
    end)

    it("cancels the reading of a message and closes the maildrop", function()
      local s = cut({ mailbox = { pop3.message(120) }, read_later = true }, { "RETR 1" })
      assert.same({ 1, 1 }, { s:numbers().canceled, s:numbers().closed })
    end)

    it("cancels the commit and closes the maildrop", function()
      local s = cut({ mailbox = { pop3.message(120) }, commit_later = true }, { "DELE 1", "QUIT" })
      assert.same({ 1, 1 }, { s:numbers().canceled, s:numbers().closed })
    end)

    it("forgets a delayed refusal", function()
      local s = pop3.new { settings = { auth_failure_delay_ms = 500 } }
      s:read_all()
      s:say("USER kcope", "PASS wrong")
      assert.equal(500, s:delay())
      s:close()
      assert.equal(0, s:numbers().opened)
    end)

    it("frees the lock when the server ends it, not when the client closes its side", function()
      for name, finish in pairs {
        time_out = function(s) s:timed_out() end,
        stop = function(s) s:stop() end,
        mistakes = function(s) s:say("x", "x", "x") end,
      } do
        local s = pop3.new { mailbox = { pop3.message(120) }, settings = { max_errors = 3 } }
        s:login()
        s:say("DELE 1")
        finish(s)
        assert.equal("close", s:wants(), name)
        assert.same({ 1, {} }, { s:numbers().closed, s.options.committed }, name)
        s:close()
        assert.equal(1, s:numbers().closed, name)
      end
    end)

    it("deletes nothing and frees the lock", function()
      local s = pop3.new { mailbox = { pop3.message(120) } }
      s:login()
      s:say("DELE 1")
      s:close()
      assert.same({}, s.options.committed)
      assert.equal(1, s:numbers().closed)
    end)
  end)

  it("tells the host of late answers behind a delay as well", function()
    local s = pop3.new {
      policy = function() return "later" end, settings = { auth_failure_delay_ms = 500 },
    }
    s:login()
    s:answer { kind = "reject" }
    s:delayed()
    local changes = s:numbers().changes
    s:say("USER kcope", "PASS secret")
    s:answer { kind = "accept", user = "kcope" }
    assert.equal(changes + 1, s:numbers().changes)
  end)

  describe("in the log", function()
    local path
    before_each(function()
      path = os.tmpname()
      base.log_to(path)
    end)
    after_each(function()
      base.log_to(nil, nil, 5)
      os.remove(path)
    end)

    local function logged()
      local file <close> = assert(io.open(path))
      return (file:read("a"):gsub("[^\n]- moonpost ([^\n]*)\n", "%1\n"):gsub(" session=%w+", ""))
    end

    it("is a login and a summary at QUIT", function()
      local s = pop3.new { mailbox = { pop3.message(120), pop3.message(200) } }
      s:login()
      s:say("RETR 2", "DELE 1", "QUIT")
      assert.equal('login protocol=pop3 user=kcope mailbox=kcope method=USER ip="" messages=2 octets=320\n' ..
        "quit protocol=pop3 user=kcope retrieved=1 deleted=1 left=1\n", logged())
    end)

    it("is a refused login with the name and without the password", function()
      local s = pop3.new()
      s:say("USER kcope", "PASS wrong", "AUTH PLAIN AGtjb3BlAHdyb25n")
      local line = 'login refused protocol=pop3 user=kcope method=%s ip="" verdict=reject ' ..
        'status=5.7.8 text="Authentication failed" by=core failures=%d\n'
      assert.equal(line:format("USER", 1) .. line:format("PLAIN", 2), logged())
    end)

    it("is a session that ended without QUIT", function()
      local s = pop3.new { mailbox = { pop3.message(120) } }
      s:login()
      s:say("DELE 1")
      s:close()
      assert.matches("\nsession ended without QUIT protocol=pop3 user=kcope retrieved=0 marked=1 left=1\n$",
        logged())
    end)

    it("is a message that could not be read, with the place", function()
      local s = pop3.new { mailbox = { pop3.message(500) }, read_fail_at = 100, slice = 100 }
      s:login()
      s:say("RETR 1")
      assert.matches("\nmessage cannot be read mailbox=kcope message=1 offset=100 octets=500 reason=", logged())
    end)
  end)

  it("tells observers of its beginning and its end", function()
    local s = pop3.new()
    s:close()
    assert.same({ "connect ", "disconnect " }, s:seen("connect", "disconnect"))
  end)
end)
