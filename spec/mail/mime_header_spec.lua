local mime = require "spec.support.bind" ("mime")

describe("mime_header_parse", function()
  local function parse(value, main, params)
    local word, found = mime.mime_header(value)
    assert.equal(main, word)
    assert.same(params, found)
  end

  it("reads a type and its parameters, any case, comments and folds aside", function()
    parse('Text/Plain; Charset=UTF-8 (comment; a=b);\r\n\tname="a \\"b\\".txt"', "text/plain",
      { charset = "UTF-8", name = 'a "b".txt' })
  end)

  it("puts together parameters that are continued or encoded (RFC 2231)", function()
    parse("attachment; filename*=utf-8'ru'%D0%B0%20b.txt; filename=a.txt", "attachment", { filename = "а b.txt" })
    parse("attachment; filename=a.txt; filename*=iso-8859-1''%E9.txt", "attachment", { filename = "é.txt" })
    parse("x/y; name*1=\"b.e\"; name*0=a; name*2=xe", "x/y", { name = "ab.exe" })
    parse("x/y; name*0*=utf-8''%D0%B0; name*1=b; name*2*=%D0%B2", "x/y", { name = "аbв" })
  end)

  it("decodes the encoded words that stand in names against the rules", function()
    parse('a; filename="=?utf-8?B?0LAuZXhl?="', "a", { filename = "а.exe" })
  end)

  it("leaves out what it cannot understand, and keeps the rest", function()
    parse("text/html; ; broken; =x; a=1; a=2; \"q\"; b", "text/html", { a = "1" })
    parse("", "", {})
    parse('x/y; a="open', "x/y", { a = "open" })
    parse('x/y; a="end\\', "x/y", { a = "end\\" })
    parse("(((", "", {})
  end)

  it("has limits: parameters, octets of one", function()
    local list = {}
    for i = 1, 200 do list[i] = ("p%d=x"):format(i) end
    local _, found = mime.mime_header("a/b; " .. table.concat(list, ";"))
    local count = 0
    for _ in pairs(found) do count = count + 1 end
    assert.equal(64, count)
    parse("a/b; x=" .. ("y"):rep(8193) .. "; z=1", "a/b", { z = "1" })
  end)
end)
