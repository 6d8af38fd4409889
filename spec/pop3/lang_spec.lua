local bind = require "spec.support.bind"("pop3")

describe("the table of texts", function()
  local texts = bind.texts()

  it("has every text in both languages, with the same gaps", function()
    local function gaps(text)
      local list = {}
      for gap in text:gmatch("%%(.)") do list[#list + 1] = gap end
      table.sort(list)
      return table.concat(list)
    end
    assert.is_true(#texts > 40)
    for _, row in ipairs(texts) do
      assert.equal(gaps(row.en), gaps(row.ru), row.en)
      assert.equal(row.en == "", row.ru == "", row.en)
    end
  end)

  it("is ASCII in English and all other than English in Russian", function()
    for _, row in ipairs(texts) do
      assert.not_matches("[\128-\255]", row.en)
      if row.en:gsub("%%.", ""):find("%a") then assert.not_equal(row.en, row.ru) end
    end
  end)

  it("fills no gap with a letter it does not know", function()
    for _, row in ipairs(texts) do
      assert.not_matches("%%[^nutmo]", row.en)
      assert.not_matches("%%[^nutmo]", row.ru)
    end
  end)

  it("begins each line with a status indicator, and a response code of RFC 2449 or RFC 3206", function()
    local codes = { "[IN-USE]", "[LOGIN-DELAY]", "[SYS/TEMP]", "[SYS/PERM]", "[AUTH]" }
    local known = {}
    for _, code in ipairs(codes) do known["-ERR " .. code] = true end
    known["+OK"], known["-ERR"] = true, true
    for _, row in ipairs(texts) do assert.is_true(known[row.sign], row.sign) end
  end)
end)

describe("counted nouns", function()
  local function english(n) return bind.format("TOTALS", "en", { m = n, o = n }) end
  local function russian(n) return bind.format("TOTALS", "ru", { m = n, o = n }) end

  it("have a singular in English", function()
    assert.equal("+OK 0 messages (0 octets)", english(0))
    assert.equal("+OK 1 message (1 octet)", english(1))
    assert.equal("+OK 2 messages (2 octets)", english(2))
    assert.equal("+OK 21 messages (21 octets)", english(21))
  end)

  it("have three forms in Russian", function()
    local forms = {
      { "сообщение", "октет", 1, 21, 101, 1001 },
      { "сообщения", "октета", 2, 3, 4, 22, 102, 1004 },
      { "сообщений", "октетов", 0, 5, 10, 11, 12, 14, 19, 20, 111, 112, 1011, 1000 },
    }
    for _, form in ipairs(forms) do
      for i = 3, #form do
        assert.equal(("+OK %d %s (%d %s)"):format(form[i], form[1], form[i], form[2]), russian(form[i]))
      end
    end
  end)
end)

describe("a number", function()
  it("is written in decimal up to 64 bits", function()
    for _, n in ipairs { 0, 9, 10, 1234567890, math.maxinteger } do
      assert.equal("+OK " .. n, bind.format("LAST", "en", { u = n }))
    end
    assert.equal("+OK 18446744073709551615", bind.format("LAST", "en", { u = -1 }))
  end)
end)
