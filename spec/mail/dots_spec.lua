local mail = require("spec.support.bind")("mail")

local function read(...)
  return mail.dots_read { ... }
end

-- The same octets cut in two at every place, and octet by octet, must give the same.
local function read_every_way(wire)
  local text, ended, rest, facts = read(wire)
  for cut = 1, #wire - 1 do
    local t, e, r, f = read(wire:sub(1, cut), wire:sub(cut + 1))
    if e and f.unread > 0 then r = r .. wire:sub(cut + 1) end
    assert.same({ text, ended, rest, facts.bare, facts.max_line }, { t, e, r, f.bare, f.max_line },
      "cut at " .. cut)
  end
  local octets = {}
  for i = 1, #wire do octets[i] = wire:sub(i, i) end
  local t, e, r, f = mail.dots_read(octets)
  if e then r = r .. wire:sub(#wire - f.unread + 1) end
  assert.same({ text, ended, rest, facts.bare, facts.max_line }, { t, e, r, f.bare, f.max_line },
    "octet by octet")
  return text, ended, rest, facts
end

describe("dots_read", function()
  it("ends at CRLF.CRLF and leaves what follows", function()
    local text, ended, rest, facts = read_every_way("one\r\ntwo\r\n.\r\nRSET\r\n")
    assert.equal("one\r\ntwo\r\n", text)
    assert.is_true(ended)
    assert.equal("RSET\r\n", rest)
    assert.is_false(facts.bare)
  end)

  it("ends an empty message at .CRLF", function()
    local text, ended = read_every_way(".\r\n")
    assert.same({ "", true }, { text, ended })
  end)

  it("takes one dot away where a line begins with one", function()
    local text = read_every_way("..\r\n...x\r\n.y\r\na.b\r\n.\r\n")
    assert.equal(".\r\n..x\r\ny\r\na.b\r\n", text)
  end)

  it("goes on while the end is not there", function()
    for _, wire in ipairs { "", "a", "a\r\n", "a\r\n.", "a\r\n.\r" } do
      local _, ended = read(wire)
      assert.is_false(ended)
    end
  end)

  describe("does not end at what only looks like the end", function()
    local smuggled = {
      ["LF.LF"]     = "\n.\n",
      ["LF.CRLF"]   = "\n.\r\n",
      ["CRLF.LF"]   = "\r\n.\n",
      ["CR.CR"]     = "\r.\r",
      ["CRLF.CR"]   = "\r\n.\r",
      ["CR.CRLF"]   = "\r.\r\n",
      ["CR.LF"]     = "\r.\n",
      ["LF.CR"]     = "\n.\r",
      ["LF.CRCRLF"] = "\n.\r\r\n",
      ["CRLF.CRCRLF"] = "\r\n.\r\r\n",
      ["CRLF.CRCR"] = "\r\n.\r\r",
      ["CRNULLF.CRLF"] = "\r\0\n.\r\n",
      ["LFNUL.CRLF"] = "\n\0.\r\n",
    }
    for name, octets in pairs(smuggled) do
      it(name, function()
        local text, ended, rest, facts =
          read_every_way("body" .. octets .. "MAIL FROM:<evil@x>\r\n.\r\nQUIT\r\n")
        assert.is_true(ended)
        assert.equal("QUIT\r\n", rest)
        assert.truthy(text:find("MAIL FROM:<evil@x>\r\n", 1, true))
        assert.is_true(facts.bare)
      end)
    end

    it("CRLF NUL . CRLF and CRLF . NUL CRLF, which have no bare CR or LF", function()
      for _, octets in ipairs { "\r\n\0.\r\n", "\r\n.\0\r\n" } do
        local _, ended, rest, facts = read_every_way("body" .. octets .. "MAIL\r\n.\r\nQUIT\r\n")
        assert.same({ true, "QUIT\r\n", false }, { ended, rest, facts.bare })
      end
    end)
  end)

  it("gives the octets around a bare CR or LF unchanged", function()
    assert.equal("a\rb\nc\r\r\n", (read_every_way("a\rb\nc\r\r\n.\r\n")))
    assert.equal("\r\rx\r\n", (read_every_way(".\r\rx\r\n.\r\n")))
  end)

  it("tells the longest line without CRLF and stuffed dot", function()
    local _, _, _, facts = read_every_way("ab\r\n..cdef\r\nabc\r\n.\r\n")
    assert.equal(5, facts.max_line)
    _, _, _, facts = read(("x"):rep(70000), ("x"):rep(30000) .. "\r\n.\r\n")
    assert.equal(100000, facts.max_line)
  end)

  it("finds line ends at every distance from a vector's edge", function()
    for n = 0, 70 do
      local body = ("x"):rep(n) .. "\r\n"
      local text, ended, _, facts = read(body:rep(3) .. ".\r\n")
      assert.same({ body:rep(3), true, n, false }, { text, ended, facts.max_line, facts.bare })
    end
  end)
end)

describe("dots_write", function()
  it("doubles a dot at the start of a line and ends with a dot", function()
    assert.equal("..a\r\n...b\r\nc.\r\n..\r\n.\r\n", mail.dots_write { ".a\r\n..b\r\nc.\r\n.\r\n" })
  end)

  it("ends the last line when the text did not", function()
    assert.equal("a\r\n.\r\n", mail.dots_write { "a" })
    assert.equal("a\n\r\n.\r\n", mail.dots_write { "a\n" })
    assert.equal("a\r\r\n.\r\n", mail.dots_write { "a\r" })
    assert.equal(".\r\n", mail.dots_write {})
  end)

  it("gives the same for every cut", function()
    local text = ".\r\n..\r\na\n.b\r.c\r\n.d"
    local whole = mail.dots_write { text }
    for cut = 0, #text do
      assert.equal(whole, mail.dots_write { text:sub(1, cut), text:sub(cut + 1) })
    end
    assert.equal(text .. "\r\n", (mail.dots_read { whole }))
  end)

  it("says TOOBIG at the ceiling of its buffer", function()
    local out, status = mail.dots_write({ ("x"):rep(100) }, 50)
    assert.same({ status = "TOOBIG" }, { out = out, status = status })
  end)
end)
