local mail = require("spec.support.bind")("mail")

describe("lines_next", function()
  it("takes one line ended by CRLF and leaves the rest", function()
    local status, line, rest = mail.lines_next("NOOP\r\nQUIT\r\n", 512)
    assert.same({ "OK", "NOOP", "QUIT\r\n" }, { status, line, rest })
  end)

  it("gives an empty line as an empty string", function()
    local status, line, rest = mail.lines_next("\r\nx", 512)
    assert.same({ "OK", "", "x" }, { status, line, rest })
  end)

  it("keeps NUL and other octets of a line", function()
    local _, line = mail.lines_next("a\0b\255\r\n", 512)
    assert.equal("a\0b\255", line)
  end)

  it("waits while the CRLF is not there, at every cut", function()
    local whole = "MAIL FROM:<a@b>\r\n"
    for cut = 0, #whole - 1 do
      local status, line, rest = mail.lines_next(whole:sub(1, cut), 512)
      assert.same({ "AGAIN", whole:sub(1, cut) }, { status, rest })
      assert.is_nil(line)
    end
  end)

  it("never lets a bare LF end a line", function()
    local status, line, rest = mail.lines_next("NOOP\nQUIT\r\nRSET\r\n", 512)
    assert.same({ "SYNTAX", "NOOP\nQUIT", "RSET\r\n" }, { status, line, rest })
    assert.equal("AGAIN", (mail.lines_next("NOOP\n", 512)))
  end)

  it("never lets a bare CR end a line", function()
    local status, line, rest = mail.lines_next("NOOP\rQUIT\r\nx", 512)
    assert.same({ "SYNTAX", "NOOP\rQUIT", "x" }, { status, line, rest })
    assert.equal("SYNTAX", (mail.lines_next("NOOP\r\r\n", 512)))
    assert.equal("SYNTAX", (mail.lines_next("\n\r\n", 512)))
    assert.equal("AGAIN", (mail.lines_next("NOOP\r", 512)))
    assert.equal("AGAIN", (mail.lines_next("NOOP\r\r", 512)))
  end)

  it("counts the CRLF in the limit", function()
    assert.equal("OK", (mail.lines_next("NOOP\r\n", 6)))
    local status, _, rest = mail.lines_next("NOOP\r\n", 5)
    assert.same({ "TOOBIG", "NOOP\r\n" }, { status, rest })
    assert.equal("TOOBIG", (mail.lines_next(("x"):rep(512), 512)))
    assert.equal("AGAIN", (mail.lines_next(("x"):rep(511), 512)))
  end)
end)

describe("lines_skip", function()
  it("drops up to and with the next CRLF", function()
    assert.same({ "OK", "NOOP\r\n" }, { mail.lines_skip("xxxx\nyy\rzz\r\nNOOP\r\n") })
  end)

  it("keeps a CR at the end, for its LF may come", function()
    assert.same({ "AGAIN", "\r" }, { mail.lines_skip("xxxx\r") })
    assert.same({ "AGAIN", "" }, { mail.lines_skip("xxxx") })
    assert.same({ "AGAIN", "" }, { mail.lines_skip("") })
  end)
end)
