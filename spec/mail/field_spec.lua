local mime = require "spec.support.bind" ("mime")

describe("field_write", function()
  it("writes name, value and CRLF", function()
    assert.equal("X-A: b\r\n", mime.field_write("X-A", " b "))
    assert.equal("X-A:\r\n", mime.field_write("X-A", ""))
  end)

  it("folds in front of blanks at 78 octets, so that unfolding gives back the same", function()
    local value = ("word "):rep(60) .. "end"
    local field = mime.field_write("Subject", value)
    for line in field:gmatch("([^\n]*)\r\n") do assert.is_true(#line <= 78, line) end
    assert.equal("Subject: " .. value .. "\r\n", (field:gsub("\r\n ", " ")))
    assert.is_truthy(field:find("\r\n ", 1, true))
  end)

  it("encodes what is not ASCII, unless the message may be UTF-8", function()
    assert.equal("Subject: =?UTF-8?B?0LTQsA==?= yes\r\n", mime.field_write("Subject", "да yes"))
    assert.equal("Subject: да yes\r\n", mime.field_write("Subject", "да yes", true))
  end)

  it("lets nothing through that could end the field", function()
    for _, value in ipairs { "a\r\nBcc: x", "a\nb", "a\rb", "a\0b", "a\127", "\xff" } do
      assert.same({ nil, "SYNTAX" }, { mime.field_write("X", value) })
    end
    for _, name in ipairs { "", "X:", "X Y", "X\r\nY", "X\0", "п", ("x"):rep(77) } do
      assert.same({ nil, "SYNTAX" }, { mime.field_write(name, "v") })
    end
  end)

  it("has limits: a word of a line, the whole value", function()
    assert.is_truthy(mime.field_write("X", ("x"):rep(995)))
    assert.same({ nil, "TOOBIG" }, { mime.field_write("X", ("x"):rep(996)) })
    assert.same({ nil, "TOOBIG" }, { mime.field_write("X", ("x "):rep(32769)) })
  end)
end)
