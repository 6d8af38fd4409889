local mail = require("spec.support.bind")("mail")

describe("date_format", function()
  it("writes the date of RFC 5322, 3.3 in UTC", function()
    assert.equal("Thu, 1 Jan 1970 00:00:00 +0000", mail.date_format(0))
    assert.equal("Sat, 21 Nov 2026 20:15:09 +0000", mail.date_format(1795292109))
    assert.equal("Thu, 29 Feb 2024 23:59:59 +0000", mail.date_format(1709251199))
  end)

  it("writes what date_parse reads", function()
    for _, seconds in ipairs { 0, 1, 86399, 951782400, 1709251199, 4102444800, -86400 } do
      assert.equal(seconds, mail.date_parse(mail.date_format(seconds)))
    end
  end)
end)

describe("date_parse", function()
  it("reads the examples of RFC 5322, appendix A", function()
    assert.equal(880127706, mail.date_parse("Fri, 21 Nov 1997 09:55:06 -0600"))
    assert.equal(1057049557, mail.date_parse("Tue, 1 Jul 2003 10:52:37 +0200"))
    -- A.5: white space, a fold and comments
    assert.equal(-27723480, mail.date_parse("Thu,\r\n      13\r\n        Feb\r\n          1969\r\n" ..
      "      23:32\r\n               -0330 (Newfoundland Time)"))
    -- A.6.2: obsolete
    assert.equal(880127706, mail.date_parse("21 Nov 97 09:55:06 CST"))
    assert.equal(880127706, mail.date_parse("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"))
  end)

  it("reads dates without day of week, without seconds, in any case", function()
    assert.equal(1795292100, mail.date_parse("21 nov 2026 20:15 +0000"))
    assert.equal(1795292100, mail.date_parse("SAT, 21 NOV 2026 20:15 GMT"))
    assert.equal(1795292100, mail.date_parse("21 Nov 2026 20:15 UT"))
    assert.equal(1795292100 - 59 * 60, mail.date_parse("21 Nov 2026 20:15 +0059"))
  end)

  it("knows the named zones of North America and takes others as UTC (RFC 5322, 4.3)", function()
    assert.equal(1795292100 + 5 * 3600, mail.date_parse("21 Nov 2026 20:15 EST"))
    assert.equal(1795292100 + 7 * 3600, mail.date_parse("21 Nov 2026 20:15 pdt"))
    assert.equal(1795292100, mail.date_parse("21 Nov 2026 20:15 XYZ"))
    assert.equal(1795292100, mail.date_parse("21 Nov 2026 20:15 A"))
  end)

  it("understands years of two and three digits", function()
    assert.equal(mail.date_parse("1 Jan 2049 00:00 Z"), mail.date_parse("1 Jan 49 00:00 Z"))
    assert.equal(mail.date_parse("1 Jan 1950 00:00 Z"), mail.date_parse("1 Jan 50 00:00 Z"))
    assert.equal(mail.date_parse("1 Jan 2003 00:00 Z"), mail.date_parse("1 Jan 103 00:00 Z"))
  end)

  it("skips nested and quoted comments", function()
    assert.equal(1795292100, mail.date_parse("(a(b\\)c)) 21 (x) Nov 2026 20 (h) : 15 (Z) +0000 (UTC)"))
  end)

  it("takes a leap second and the 29th of February of leap years alone", function()
    assert.truthy(mail.date_parse("31 Dec 2016 23:59:60 +0000"))
    assert.truthy(mail.date_parse("29 Feb 2000 00:00 Z"))
    for _, text in ipairs { "29 Feb 1900 00:00 Z", "29 Feb 2023 00:00 Z", "31 Apr 2024 00:00 Z" } do
      assert.same({ nil, "SYNTAX" }, { mail.date_parse(text) })
    end
  end)

  it("refuses what is no date", function()
    for _, text in ipairs { "", "today", "Sat 21 Nov 2026 20:15 Z", "Sat, 21 Nov 2026", "0 Nov 2026 20:15 Z",
      "32 Nov 2026 20:15 Z", "21 Non 2026 20:15 Z", "21 Nov 2026 24:15 Z", "21 Nov 2026 20:60 Z",
      "21 Nov 2026 20:15:61 Z", "21 Nov 2026 20:15", "21 Nov 2026 20:15 +00", "21 Nov 2026 20:15 +0060",
      "21 Nov 2026 20:15 +00000", "21 Nov 2026 20:15 Z x", "21 Nov 20260 20:15 Z", "21 Nov 2 20:15 Z",
      "21 Nov 2026 20:15: Z", "21 Nov 2026 20:15 Z\0", "(", "(((", "(\\" } do
      assert.same({ nil, "SYNTAX" }, { mail.date_parse(text) }, text)
    end
  end)
end)
