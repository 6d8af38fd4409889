local mail = require("spec.support.bind")("mail")

describe("utf8_valid", function()
  it("takes the first and last character of every length", function()
    for _, text in ipairs { "", "\0", "\x7f", "\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}",
      "\u{10000}", "\u{10FFFF}", "письмо ✉ 📮" } do
      assert.is_true(mail.utf8_valid(text), text)
    end
  end)

  it("refuses overlong forms, surrogates, too large values and cut characters (RFC 3629)", function()
    for _, text in ipairs { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80",
      "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe",
      "\xc2", "\xe2\x82", "\xf0\x9f\x93", "\xc2\xc2", "\xe2\x82\x7f", "a\xe2\x28\xa1" } do
      assert.is_false(mail.utf8_valid(text), ("%q"):format(text))
    end
  end)
end)

describe("utf8_ascii", function()
  it("knows octets above 127", function()
    assert.is_true(mail.utf8_ascii("a\0\127"))
    assert.is_false(mail.utf8_ascii("a\128"))
    assert.is_false(mail.utf8_ascii("\255a"))
  end)
end)
