local pop3 = require "spec.support.pop3"

describe("every reply", function()
  it("reaches observers as the client reads it, without CRLF", function()
    local s = pop3.new { mailbox = { pop3.message(120) } }
    local lines = {}
    for line in (s:read_all() .. s:say("USER kcope", "PASS secret", "STAT", "DELE 7", "QUIT")):gmatch("([^\r]*)\r\n") do
      lines[#lines + 1] = "reply " .. line
    end
    assert.same(lines, s:seen("reply"))
  end)

  it("is one event when it has many lines", function()
    local s = pop3.new { mailbox = { pop3.message(120) } }
    s:login()
    s:say("LIST", "UIDL", "CAPA")
    local replies = s:seen("reply")
    assert.same({ "reply +OK 1 message (120 octets)", "reply +OK", "reply +OK capability list follows" },
      { table.unpack(replies, #replies - 2) })
  end)

  it("names the verdict that made it", function()
    local s = pop3.new { policy = function() return { kind = "reject", text = "no" } end }
    s:login()
    local last
    for _, event in ipairs(s:events()) do
      if event.kind == "reply" then last = event end
    end
    assert.same({ "-ERR [AUTH] no", "reject" }, { last.line, last.verdict })
  end)

  it("cannot be split by what a plugin says", function()
    local s = pop3.new { policy = function() return { kind = "reject", text = "a\r\n+OK b" } end }
    s:read_all()
    assert.equal("+OK\r\n-ERR [AUTH] a??+OK b\r\n", s:say("USER kcope", "PASS x"))
  end)
end)
