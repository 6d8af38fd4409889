local pop3 = require "spec.support.pop3"

local function session(options)
  options = options or {}
  options.mailbox = options.mailbox or { pop3.message(120), pop3.message(200), pop3.message(300) }
  local s = pop3.new(options)
  s:login()
  return s
end

local function with_on_delete(answer, options)
  options = options or {}
  options.hooks = { "on_delete" }
  options.policy = function(question)
    if question.hook == "on_delete" then return answer(question) end
    return { kind = "accept", user = question.user }
  end
  return session(options)
end

local bye = "+OK mail.example.test POP3 server signing off "

describe("QUIT", function()
  it("before login says goodbye and closes", function()
    local s = pop3.new()
    s:read_all()
    assert.equal("+OK mail.example.test POP3 server signing off\r\n", s:say("QUIT"))
    assert.equal("close", s:wants())
  end)

  it("deletes what is marked, in order, in one step", function()
    local s = session()
    s:say("DELE 3", "DELE 1")
    assert.equal(bye .. "(1 message left)\r\n", s:say("QUIT"))
    assert.same({ 1, 3 }, s.options.committed)
    assert.equal("close", s:wants())
  end)

  it("commits nothing when nothing is marked", function()
    local s = session()
    s:say("DELE 1", "RSET")
    assert.equal(bye .. "(3 messages left)\r\n", s:say("QUIT"))
    assert.same({}, s.options.committed)
  end)

  it("says that the maildrop is empty", function()
    assert.equal(bye .. "(maildrop empty)\r\n", session { mailbox = {} }:say("QUIT"))
    local s = session()
    s:say("DELE 1", "DELE 2", "DELE 3")
    assert.equal(bye .. "(maildrop empty)\r\n", s:say("QUIT"))
  end)

  it("frees the lock before it says so", function()
    local s = session { commit_later = true }
    s:say("DELE 1", "QUIT")
    assert.equal(0, s:numbers().closed)
    s:answer()
    assert.equal(1, s:numbers().closed)
    assert.equal("close", s:wants())
  end)

  it("waits for the commit and tells when it failed, closing all the same", function()
    for _, later in ipairs { true, false } do
      for _, status in ipairs { "TEMPFAIL", "IO", "NOSPACE" } do
        local s = session { commit = status, commit_later = later }
        s:feed("DELE 1\r\nQUIT\r\n")
        assert.equal("+OK message 1 deleted\r\n", s:take(#"+OK message 1 deleted\r\n"))
        if later then
          assert.equal("wait", s:wants())
          assert.equal("", s:read_all())
          s:answer(status)
        end
        assert.equal("-ERR [SYS/TEMP] some deleted messages not removed\r\n", s:read_all())
        assert.equal("close", s:wants())
        assert.same({}, s:seen("deleted"))
      end
    end
  end)

  it("tells observers how many were deleted", function()
    local s = session()
    s:say("DELE 1", "DELE 2", "QUIT")
    local deleted
    for _, event in ipairs(s:events()) do
      if event.kind == "deleted" then deleted = event.octets end
    end
    assert.equal(2, deleted)
  end)
end)

describe("on_delete", function()
  it("is asked for every marked message, in order, and for no other", function()
    local asked = {}
    local s = with_on_delete(function(q)
      asked[#asked + 1] = ("%d %s %d %s"):format(q.number, q.uidl, q.octets, q.mailbox)
    end)
    s:say("DELE 3", "DELE 1")
    assert.equal(bye .. "(1 message left)\r\n", s:say("QUIT"))
    assert.same({ "1 00005eed.1 120 kcope", "3 00005eed.3 300 kcope" }, asked)
    assert.same({ 1, 3 }, s.options.committed)
  end)

  it("is not asked when the session ends without QUIT", function()
    local asked = 0
    local s = with_on_delete(function() asked = asked + 1 end)
    s:say("DELE 1")
    s:close()
    assert.equal(0, asked)
  end)

  it("may keep a message, which is no error", function()
    local s = with_on_delete(function(q) return q.number == 2 and { kind = "keep" } or nil end)
    s:say("DELE 1", "DELE 2", "DELE 3")
    assert.equal(bye .. "(1 message left)\r\n", s:say("QUIT"))
    assert.same({ 1, 3 }, s.options.committed)
  end)

  it("may keep all of them", function()
    local s = with_on_delete(function() return { kind = "keep" } end)
    s:say("DELE 1", "DELE 2", "DELE 3")
    assert.equal(bye .. "(3 messages left)\r\n", s:say("QUIT"))
    assert.same({}, s.options.committed)
  end)

  it("keeps a message it refuses, and the reply says so", function()
    local function quit(kind, text)
      local s = with_on_delete(function(q)
        return q.number == 1 and { kind = kind, text = text } or { kind = "accept" }
      end)
      s:say("DELE 1", "DELE 2")
      local reply = s:say("QUIT")
      assert.same({ 2 }, s.options.committed)
      assert.equal("close", s:wants())
      return reply
    end
    assert.equal("-ERR [SYS/PERM] some deleted messages not removed: the archive is full\r\n",
      quit("reject", "the archive is full"))
    assert.equal("-ERR [SYS/TEMP] some deleted messages not removed: the archive is away\r\n",
      quit("tempfail", "the archive is away"))
    assert.equal("-ERR [SYS/TEMP] some deleted messages not removed\r\n", quit("tempfail", ""))
    assert.equal("-ERR [SYS/PERM] some deleted messages not removed: no\r\n", quit("discard", "no"))
  end)

  it("tells the first reason of several", function()
    local s = with_on_delete(function(q)
      return { kind = q.number == 1 and "tempfail" or "reject", text = "reason " .. q.number }
    end)
    s:say("DELE 1", "DELE 2")
    assert.equal("-ERR [SYS/TEMP] some deleted messages not removed: reason 1\r\n", s:say("QUIT"))
  end)

  it("may answer late, each time", function()
    local s = with_on_delete(function() return "later" end, { commit_later = true })
    s:say("DELE 1", "DELE 2", "DELE 3")
    s:feed("QUIT\r\n")
    for i = 1, 3 do
      assert.equal("on_delete", s:pending())
      s:answer(i == 2 and { kind = "keep" } or nil)
    end
    assert.equal("commit", s:pending())
    s:answer()
    assert.equal(bye .. "(1 message left)\r\n", s:read_all())
    assert.same({ 1, 3 }, s.options.committed)
  end)

  it("is cancelled, and nothing is deleted, when the connection goes", function()
    local s = with_on_delete(function(q) return q.number == 2 and "later" or nil end)
    s:say("DELE 1", "DELE 2", "QUIT")
    assert.equal("wait", s:wants())
    s:close()
    assert.same({ 1, 1 }, { s:numbers().canceled, s:numbers().closed })
    assert.same({}, s.options.committed)
  end)

  it("may be asked ten thousand times in one QUIT", function()
    local many, deletes = {}, {}
    for i = 1, 10000 do many[i], deletes[i] = "x", "DELE " .. i end
    local s = with_on_delete(function() return nil end, { mailbox = many })
    s:say(table.unpack(deletes))
    assert.equal(bye .. "(maildrop empty)\r\n", s:say("QUIT"))
    assert.equal(10000, #s.options.committed)
  end)
end)
