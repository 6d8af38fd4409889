local mime = require "spec.support.bind" ("mime")

describe("words_encode", function()
  it("leaves ASCII alone", function()
    assert.equal("a  plain (text)", mime.words_encode "a  plain (text)")
  end)

  it("encodes neighbours with the space between them, and nothing else", function()
    assert.equal("Re: =?UTF-8?B?0L/RgNC40LLQtdGCINC80LjRgA==?= <x@y.test>", mime.words_encode "Re: привет мир <x@y.test>")
  end)

  it("cuts between characters, at most 75 octets each", function()
    local text = ("ы"):rep(100)
    local encoded = mime.words_encode(text)
    for word in encoded:gmatch("%S+") do assert.is_true(#word <= 75, word) end
    assert.equal(text, mime.words_decode(encoded))
    assert.is_truthy(encoded:find(" "))
  end)
end)

describe("words_decode", function()
  for text, want in pairs {
    ["=?UTF-8?B?0L/RgNC40LLQtdGC?= you"] = "привет you",
    ["=?utf-8?Q?a_b=C3=A9?= =?utf-8?q?c?="] = "a béc",
    ["=?ISO-8859-1?Q?caf=E9?="] = "café",
    ["=?utf-8*en?Q?x?="] = "x",
    ['"=?utf-8?Q?x?=.exe"'] = '"x.exe"',
    ["a =?utf-8?Q?x?= b"] = "a x b",
    ["=?koi8-r?B?8NLJ18XU?="] = "=?koi8-r?B?8NLJ18XU?=",
    ["=?utf-8?B?***?="] = "=?utf-8?B?***?=", ["=?utf-8?Q?=FF?="] = "=?utf-8?Q?=FF?=",
    ["=?utf-8?Q?open"] = "=?utf-8?Q?open", ["=?"] = "=?", [""] = "", ["=?a?b?"] = "=?a?b?", ["=?utf-8?Q?=4?="] = "=?utf-8?Q?=4?=",
  } do
    it("reads " .. text, function() assert.equal(want, mime.words_decode(text)) end)
  end

  it("stops at the ceiling of its output", function()
    assert.same({ nil, "TOOBIG" }, { mime.words_decode(("x"):rep(100), 50) })
  end)
end)
