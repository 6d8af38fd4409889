local pop3 = require "spec.support.pop3"

local function session(message, options)
  local all = { mailbox = { message } }
  for key, value in pairs(options or {}) do all[key] = value end
  local s = pop3.new(all)
  s:login()
  return s
end

---What a client makes of a multi-line reply: status line and octets without the stuffing.
local function unstuff(reply)
  local status, body = reply:match("^([^\r]*)\r\n(.*)%.\r\n$")
  return status, (("\r\n" .. body):gsub("\r\n%.", "\r\n"):sub(3))
end

describe("RETR", function()
  it("sends the octets that LIST announced", function()
    local message = pop3.message(4321)
    assert.equal("+OK 4321 octets\r\n" .. message .. ".\r\n", session(message):say("RETR 1"))
  end)

  it("doubles dots at the start of lines, and only there", function()
    local message = ".first\r\n..second\r\nno. dot\r\n.\r\n\r\n.\r\n"
    local s = session { octets = message, dots = true }
    assert.equal("+OK 34 octets\r\n..first\r\n...second\r\nno. dot\r\n..\r\n\r\n..\r\n.\r\n",
      s:say("RETR 1"):gsub("%+OK %d+", "+OK 34"))
  end)

  it("doubles dots wherever the provider cuts the octets, when it does not know of them", function()
    local message = ".first\r\n..second\r\nno. dot\r\n.\r\n\r\n.\r\n"
    for slice = 1, #message do
      local status, got = unstuff(session(message, { slice = slice }):say("RETR 1"))
      assert.equal("+OK " .. #message .. " octets", status)
      assert.equal(message, got)
    end
  end)

  it("looks at no octet when the provider knows that there are no dots", function()
    assert.equal("+OK 6 octets\r\n.one\r\n.\r\n", session { octets = ".one\r\n", dots = false }:say("RETR 1"))
  end)

  it("puts the final dot on a line of its own when the message does not end with CRLF", function()
    for _, dots in ipairs { true, false } do
      for slice = 1, 4 do
        local function ending(octets)
          local s = session({ octets = octets, dots = dots }, { slice = slice })
          return s:say("RETR 1"):match("octets\r\n(.*)$")
        end
        assert.equal("abc\r\n.\r\n", ending("abc"))
        assert.equal("abc\r\r\n.\r\n", ending("abc\r"))
        assert.equal("abc\n\r\n.\r\n", ending("abc\n"))
        assert.equal("abc\r\n.\r\n", ending("abc\r\n"))
      end
    end
  end)

  it("counts that CRLF in every size when the provider knows of it", function()
    local s = pop3.new { mailbox = { { octets = "abc", open_end = true }, "12345\r\n" } }
    assert.matches("2 messages %(12 octets%)", s:login())
    assert.equal("+OK 5 octets\r\nabc\r\n.\r\n", s:say("RETR 1"))
    assert.equal("+OK 1 5\r\n", s:say("LIST 1"))
    assert.equal("+OK 2 12\r\n", s:say("STAT"))
    s:say("DELE 1")
    assert.equal("+OK 1 7\r\n", s:say("STAT"))
    assert.equal("+OK maildrop has 2 messages (12 octets)\r\n", s:say("RSET"))
  end)

  it("sends an empty message", function()
    assert.equal("+OK 0 octets\r\n.\r\n", session(""):say("RETR 1"))
  end)

  it("streams a large message with little in memory", function()
    local message = pop3.message(3000000)
    local s = session(message)
    s:feed("RETR 1\r\nNOOP\r\n")
    local parts, most = {}, 0
    while true do
      most = math.max(most, s:unwritten())
      parts[#parts + 1] = s:take()
      if s:wants() ~= "drain" then break end
      s:drained()
    end
    assert.equal("+OK 3000000 octets\r\n" .. message .. ".\r\n+OK\r\n", table.concat(parts))
    assert.is_true(most <= 2 * 65536 + 100, most)
    for _, max in ipairs(s.options.reads) do assert.is_true(max <= 65536) end
  end)

  it("asks for no more when the output is not written", function()
    local s = session(pop3.message(3000000))
    s:feed("RETR 1\r\n")
    local reads = #s.options.reads
    s:feed("")
    s:take(1000)
    assert.equal(reads, #s.options.reads)
    assert.equal("drain", s:wants())
  end)

  it("waits for octets that come later", function()
    local message = pop3.message(150000)
    local s = session(message, { read_later = true })
    s:feed("RETR 1\r\n")
    local parts = {}
    while s:wants() ~= "read" do
      if s:wants() == "wait" then s:answer() end
      parts[#parts + 1] = s:read_all()
    end
    assert.equal("+OK 150000 octets\r\n" .. message .. ".\r\n", table.concat(parts))
  end)

  it("is an error and no more when the message cannot be read at all", function()
    local s = session(pop3.message(120), { read_fail_at = 0 })
    assert.equal("-ERR [SYS/TEMP] message 1 cannot be read now, try again later\r\n+OK\r\n",
      s:say("RETR 1", "NOOP"))
    assert.equal("+OK 0\r\n", s:say("LAST"))
  end)

  it("closes without the final dot when reading fails midway", function()
    for _, later in ipairs { true, false } do
      local s = session(pop3.message(500), { read_fail_at = 100, slice = 100, read_later = later })
      s:feed("RETR 1\r\nNOOP\r\n")
      while s:wants() == "wait" do s:answer() end
      local got = s:read_all()
      assert.equal("+OK 500 octets\r\n" .. pop3.message(500):sub(1, 100), got)
      assert.equal("close", s:wants())
      assert.same({}, s:seen("retrieved"))
    end
  end)

  it("never sends a message of another size than it announced", function()
    local message = pop3.message(500)
    for _, size in ipairs { 499, 501 } do
      local s = session({ octets = message, size = size }, { slice = 100 })
      assert.not_matches("\r\n%.\r\n", s:say("RETR 1"))
      assert.equal("close", s:wants())
    end
  end)

  it("is a retrieved message for observers, and its octets are data", function()
    local s = session(pop3.message(500))
    s:say("RETR 1")
    assert.same({ "data ", "retrieved 00005eed.1" }, s:seen("data", "retrieved"))
    local events = s:events()
    assert.equal(500, events[#events].octets)
    assert.same("reply +OK 500 octets", s:seen("reply")[4])
  end)
end)

describe("RETR of a message that lies in a file", function()
  local STEP, RANGE = 65536, 262144

  local function file_session(octets, options)
    local all = { sends_files = true, ranges = {} }
    for key, value in pairs(options or {}) do all[key] = value end
    return session({ octets = octets, dots = false }, all)
  end

  it("is sent from the file, but its beginning and its end", function()
    local message = pop3.message(1000000)
    local s = file_session(message)
    assert.is_true(s:say("RETR 1", "NOOP") == "+OK 1000000 octets\r\n" .. message .. ".\r\n+OK\r\n")
    local left = 1000000 - STEP - 3 * RANGE - 4096
    assert.same({ RANGE, RANGE, RANGE, left }, s.options.ranges)
    assert.same({ STEP, 4097 }, s.options.reads)
    local events = s:events()
    assert.equal(1000000, events[#events - 2].octets)
    assert.same({ "retrieved 00005eed.1" }, s:seen("retrieved"))
  end)

  it("goes on where a full socket stopped it, and asks anew what is in memory", function()
    local message = pop3.message(1000000)
    local s = file_session(message)
    s:feed("RETR 1\r\n")
    local parts = { s:take() }
    for _, max in ipairs { 1, 0, 100000, 7, RANGE, 1 << 30 } do
      assert.equal("drain", s:wants())
      s:drained()
      assert.equal("file", s:wants())
      parts[#parts + 1] = s:send_file(max)
    end
    parts[#parts + 1] = s:read_all()
    assert.is_true(table.concat(parts) == "+OK 1000000 octets\r\n" .. message .. ".\r\n")
    assert.equal(7, #s.options.ranges)
  end)

  it("is read where the maildrop has no range of it in memory", function()
    local message = pop3.message(400000)
    local s = file_session(message, { range = 0 })
    assert.is_true(s:say("RETR 1") == "+OK 400000 octets\r\n" .. message .. ".\r\n")
    assert.equal(7, #s.options.reads)
  end)

  it("waits for octets that are not in memory and goes on with the file", function()
    local message = pop3.message(400000)
    local s = file_session(message, { read_later = true, range = 100000 })
    s:feed("RETR 1\r\n")
    local parts = {}
    while s:wants() ~= "read" do
      if s:wants() == "wait" then s:answer() end
      parts[#parts + 1] = s:read_all()
    end
    assert.is_true(table.concat(parts) == "+OK 400000 octets\r\n" .. message .. ".\r\n")
  end)

  it("is read to its end when the host cannot send it", function()
    local message = pop3.message(400000)
    local s = file_session(message)
    s:feed("RETR 1\r\n")
    local parts = { s:take() }
    s:drained()
    assert.equal("", s:send_file(-1))
    parts[#parts + 1] = s:read_all()
    assert.is_true(table.concat(parts) == "+OK 400000 octets\r\n" .. message .. ".\r\n")
    assert.equal(1, #s.options.ranges)
    s:say("RETR 1")
    assert.equal(3, #s.options.ranges, "the next message is tried again")
  end)

  it("ends without the final dot when the file fails or is too short", function()
    local message = pop3.message(400000)
    local s = file_session(message, { read_fail_at = 65536 })
    s:feed("RETR 1\r\nNOOP\r\n")
    local got = { s:take() }
    s:drained()
    s:send_file(-1)
    got[#got + 1] = s:read_all()
    assert.is_true(table.concat(got) == "+OK 400000 octets\r\n" .. message:sub(1, 65536))
    assert.equal("close", s:wants())
    assert.same({}, s:seen("retrieved"))
  end)

  it("is found out when it is longer than the listing says", function()
    local s = session({ octets = pop3.message(400001), size = 400000, dots = false },
      { sends_files = true, ranges = {} })
    assert.not_matches("\r\n%.\r\n", s:say("RETR 1"))
    assert.equal("close", s:wants())
  end)

  it("gets its CRLF when it does not end with one", function()
    for _, ending in ipairs { "abc", "abc\r", "abc\n", "abc\r\n" } do
      local message = pop3.message(300000) .. ending
      local got = file_session(message):say("RETR 1")
      assert.equal(ending:gsub("abc\r\n", "abc") .. "\r\n.\r\n", got:sub(-#ending:gsub("abc\r\n", "abc") - 5))
    end
  end)

  it("is read when it may have dot lines, in TLS, by TOP, and from a host that sends no files", function()
    local message = pop3.message(300000)
    for _, how in ipairs {
      { { octets = message, dots = true }, { sends_files = true } },
      { message, { sends_files = true } },
      { { octets = message, dots = false }, { sends_files = true, tls = true } },
      { { octets = message, dots = false }, {} },
    } do
      how[2].ranges = {}
      local s = session(how[1], how[2])
      assert.is_true(s:say("RETR 1") == "+OK 300000 octets\r\n" .. message .. ".\r\n")
      assert.same({}, s.options.ranges)
    end
    local s = file_session(message)
    s:say("TOP 1 100000")
    assert.same({}, s.options.ranges)
  end)

  it("may be left in the middle", function()
    local s = file_session(pop3.message(400000))
    s:feed("RETR 1\r\n")
    s:take()
    s:drained()
    assert.equal("file", s:wants())
    s:timed_out()
    assert.equal("close", s:wants())
    s:close()
  end)
end)

describe("TOP", function()
  local head = "Subject: a\r\nX-Fold: b\r\n c\r\n\r\n"
  local body = "1\r\n2\r\n\r\n.4\r\n5"
  local lines = { "1\r\n", "2\r\n", "\r\n", ".4\r\n", "5" }

  local function top(n, options)
    local status, got = unstuff(session(head .. body, options):say("TOP 1 " .. n))
    assert.equal("+OK", status)
    return got
  end

  it("sends the header, the empty line and n lines", function()
    for n = 0, 4 do
      assert.equal(head .. table.concat(lines, "", 1, n), top(n))
    end
  end)

  it("sends all there is when there are fewer lines", function()
    for _, n in ipairs { "5", "6", "18446744073709551615", "99999999999999999999999" } do
      assert.equal(head .. body .. "\r\n", top(n))
    end
  end)

  it("finds the lines wherever the provider cuts the octets", function()
    for slice = 1, #head + #body do
      for n = 0, 4 do
        assert.equal(head .. table.concat(lines, "", 1, n), top(n, { slice = slice }))
      end
    end
  end)

  it("sends a message without a body", function()
    assert.equal("+OK\r\nSubject: a\r\n.\r\n", session("Subject: a\r\n"):say("TOP 1 3"))
    assert.equal("+OK\r\nSubject: a\r\n\r\n.\r\n", session("Subject: a\r\n\r\n"):say("TOP 1 3"))
  end)

  it("takes a message that begins with the empty line as one without a header", function()
    assert.equal("+OK\r\n\r\na\r\n.\r\n", session("\r\na\r\nb\r\n"):say("TOP 1 1"))
  end)

  it("does not take a line of one CR or of spaces for the empty line", function()
    local message = "A: b\r\n \r\n\rx\r\n\r\nbody\r\n"
    assert.equal("+OK\r\nA: b\r\n \r\n\rx\r\n\r\n.\r\n", session(message):say("TOP 1 0"))
  end)

  it("reads no more of a large message than it needs", function()
    local s = session(pop3.message(3000000))
    s:say("TOP 1 10")
    assert.equal(1, #s.options.reads)
    assert.is_true(s.options.reads[1] <= 4096)
  end)

  it("refuses a number of lines that is none", function()
    local s = session(head)
    for _, word in ipairs { "-1", "ten", "1.5" } do
      assert.equal(('-ERR "%s" is not a number\r\n'):format(word), s:say("TOP 1 " .. word))
    end
  end)

  it("does not count as retrieving the message", function()
    local s = session(head .. body)
    s:say("TOP 1 100")
    assert.same({}, s:seen("retrieved"))
  end)
end)
