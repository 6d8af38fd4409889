local bind = require "spec.support.bind" ("message")

local HEADER = "Return-Path: <a@b.test>\r\nReceived: from x\r\n\tby y\r\nSubject: one\r\nX-A: 1\r\nX-a: 2\r\n"
local BODY = "\r\nbody\r\n.\r\n"

local function message(text, directory)
  local m = bind.new(directory)
  assert.equal("OK", m:append(text or HEADER .. BODY))
  return m
end

local function applied(m)
  assert.equal("OK", m:apply())
  return m:read(0, m:facts().octets)
end

describe("message_header", function()
  it("reads the header with its empty line", function()
    assert.same({ HEADER .. "\r\n", "OK" }, { message():header() })
    assert.same({ "Subject: no end\r\n", "OK" }, { message("Subject: no end\r\n"):header() })
    assert.same({ "", "OK" }, { bind.new():header() })
  end)

  it("adds behind all fields, or in front of all but Return-Path", function()
    local m = message()
    m:add("X-Last", "z")
    m:add("X-First", "a", true)
    assert.equal("Return-Path: <a@b.test>\r\nX-First: a\r\n" .. HEADER:sub(26) .. "X-Last: z\r\n" .. BODY, applied(m))
  end)

  it("sets in place of the first and removes the others", function()
    local m = message()
    m:set("x-a", "new")
    m:set("X-B", "other")
    assert.equal((HEADER:gsub("X%-A: 1\r\nX%-a: 2\r\n", "x-a: new\r\nX-B: other\r\n")) .. BODY, applied(m))
  end)

  it("removes folded fields whole, and says how many", function()
    local m = message()
    assert.same({ "OK", 1 }, { m:remove "received" })
    assert.same({ "OK", 2 }, { m:remove "x-a" })
    assert.same({ "OK", 0 }, { m:remove "x-a" })
    assert.equal("Return-Path: <a@b.test>\r\nSubject: one\r\n" .. BODY, applied(m))
  end)

  it("leaves the octets alone until it is applied, and altogether when nothing changed", function()
    local m = message()
    m:remove "x-none"
    assert.equal(HEADER .. BODY, applied(m))
    m:add("X", "y")
    assert.equal(HEADER .. BODY, m:read(0, m:facts().octets))
    assert.is_truthy(m:header():find("X: y", 1, true))
  end)

  it("changes nothing when a field is not valid", function()
    local m = message()
    assert.same({ "SYNTAX", "SYNTAX", "SYNTAX", "TOOBIG" },
      { m:add("X", "a\r\nBcc: b"), m:set("X:", "a"), m:add("", "a"), (m:set("X", ("y"):rep(2000))) })
    assert.equal(HEADER .. BODY, applied(m))
  end)

  it("keeps a header a header: behind an mbox line, in front of a line that is no field", function()
    local m = message "From me\r\nSubject: x\r\nno field\r\nX: y\r\n\r\nbody"
    m:add("A", "b")
    assert.equal("From me\r\nSubject: x\r\nA: b\r\nno field\r\nX: y\r\n\r\nbody", applied(m))
    m = message "\r\nbody"
    m:add("A", "b")
    assert.equal("A: b\r\n\r\nbody", applied(m))
    m = message "Subject: cut"
    m:add("A", "b")
    assert.equal("Subject: cut\r\nA: b\r\n", applied(m))
  end)

  it("counts anew what readers need to know", function()
    local m = message(HEADER .. "\r\n.dot\r\nlast")
    m:add("X", "y")
    applied(m)
    local fresh = message(HEADER .. "X: y\r\n\r\n.dot\r\nlast")
    assert.same(fresh:facts(), m:facts())
  end)

  it("moves to a file when it grows out of memory, and works on files", function()
    local m = message(HEADER .. "\r\n" .. ("line of a body\r\n"):rep(4060), "/tmp")
    assert.is_false(m:facts().in_file)
    m:add("X-Long", ("word "):rep(200))
    assert.equal("OK", m:apply())
    assert.is_true(m:facts().in_file)
    m:set("Subject", "two")
    assert.equal("OK", m:apply())
    local text = m:read(0, m:facts().octets)
    assert.is_truthy(text:find("\r\nSubject: two\r\n", 1, true))
    assert.equal(("line of a body\r\n"):rep(4060), text:sub(-4060 * 16))
  end)

  it("has a limit, for what is there and for what is made of it", function()
    local m = message("X: y\r\n" .. ("A: " .. ("b"):rep(900) .. "\r\n"):rep(1200) .. "\r\nbody", "/tmp")
    assert.same({ nil, "TOOBIG" }, { m:header() })
    assert.equal("TOOBIG", m:add("A", "b"))
    m = message()
    local st = "OK"
    for _ = 1, 20 do
      st = m:add("X", ("word "):rep(13000))
      if st ~= "OK" then break end
    end
    assert.equal("TOOBIG", st)
    assert.is_true(#m:header() <= 1024 * 1024)
  end)
end)
