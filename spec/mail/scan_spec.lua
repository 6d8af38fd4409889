-- Every variant this machine can run, against the plainest way of doing the same, octet by octet.
local scan = require("spec.support.bind")("scan")

local variants = scan.variants()
local CR, LF, DOT = 13, 10, 46

local function plain_lines(text, from)
  local l = {}
  for k, v in pairs(from) do l[k] = v end
  local function octet() l.octets = math.min(l.octets + 1, 0xffffffff) end
  for i = 1, #text do
    local c = text:byte(i)
    if l.at_start and c == DOT then return i - 1, l end
    if c == LF and l.after_cr then
      l.at_start, l.after_cr, l.octets = true, false, 0
    else
      if l.after_cr then octet() end
      l.bare = l.bare or l.after_cr or c == LF
      l.at_start, l.after_cr = false, c == CR
      if c ~= CR then octet() end
    end
    l.longest = math.max(l.longest, l.octets)
  end
  return #text, l
end

local function plain_dot_line(text)
  return (text:find("\n.", 1, true) or #text + 1) - 1
end

local function plain_facts(text, from)
  local all = string.char(from.before) .. text
  return {
    before = all:byte(#all),
    dot_line = from.dot_line or all:find("\n.", 1, true) ~= nil,
    eight_bit = from.eight_bit or text:find("[\x80-\xff]") ~= nil,
    lines = from.lines + select(2, all:gsub("\r\n", "")),
  }
end

local function start_of_text()
  return { at_start = true, after_cr = false, bare = false, octets = 0, longest = 0 }
end

-- The same numbers on every run.
local function dice(seed)
  return function(n)
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n + 1
  end
end

-- Mostly text, mostly line ends, and octets that differ from those looked for by one bit or by one.
local alphabets = {
  { "\r\n", "\r\n", ".", "a line", "text of some length", "\r\n." },
  { "\r", "\n", ".", "x" },
  { "x", "y", "z", "words", "\r\n", "\xc3\xa4" },
  { "\r\n", "\n", "\r", ".", "\x0a", "\x0b", "\x0c", "\x0e", "\x2d", "\x2f", "\x8a", "\x8d", "\xae", "\0", "\1", "\x7f" },
}

local function random_text(roll, length)
  local alphabet, parts, n = alphabets[roll(#alphabets)], {}, 0
  while n < length do
    parts[#parts + 1] = alphabet[roll(#alphabet)]
    n = n + #parts[#parts]
  end
  return table.concat(parts):sub(1, length)
end

local function random_state(roll)
  local octets = roll(3) > 1 and roll(200) - 1 or 0
  local at_start = roll(2) == 1
  return { at_start = at_start, after_cr = not at_start and roll(2) == 1, bare = roll(4) == 1,
           octets = at_start and 0 or octets, longest = octets + (roll(2) - 1) * 50 }
end

-- assert.same alone is too slow for so many comparisons.
local function compare(want, got, variant, text, where)
  for k, v in pairs(want) do
    if got[k] ~= v then assert.same(want, got, ("%s, %q at %s"):format(variant, text, where or "a page's end")) end
  end
end

-- All variants, with the text at each of these distances from the start of a page; without them, in front of a
-- page that cannot be touched.
local function check(text, from, first_shift, last_shift)
  local facts = { before = from.after_cr and CR or from.at_start and LF or 120, dot_line = false,
                  eight_bit = false, lines = from.octets }
  local want_at, want_lines = plain_lines(text, from)
  local want_dot, want_facts = plain_dot_line(text), plain_facts(text, facts)
  for _, variant in ipairs(variants) do
    assert.is_true(scan.use(variant))
    for shift = first_shift or 0, last_shift or 0 do
      local where = first_shift and shift
      local at, lines = scan.lines(text, from, where)
      compare({ want_at, want_dot }, { at, scan.dot_line(text, where) }, variant, text, where)
      compare(want_lines, lines, variant, text, where)
      compare(want_facts, scan.facts(text, facts, where), variant, text, where)
    end
  end
end

describe("scan", function()
  after_each(function() assert.is_true(scan.use(variants[1])) end)

  it("has a variant that runs anywhere, last, and no other than those it names", function()
    assert.equal("portable", variants[#variants])
    assert.is_false(scan.use("abacus"))
  end)

  it("agrees with the plainest way on texts of 0 to 200 octets, at every place in memory", function()
    local roll = dice(1)
    for length = 0, 200 do
      check(random_text(roll, length), random_state(roll), 0, 63)
    end
  end)

  it("reads nothing behind the text: the next page cannot be touched", function()
    local roll = dice(2)
    for length = 0, 200 do
      for _ = 1, 10 do check(random_text(roll, length), random_state(roll)) end
    end
  end)

  it("sees what stands at any place, alone or over the edge of two steps", function()
    local things = {
      ".", "\r", "\n", "\r\n", "\n.", "\r.", "\r\n.", "\r\n\r\n.", "\r\r\n", "\n\r\n.", "\r\n\n.",
      "\x80", "\x8d\x8a\xae", "\r\n/", "\r\v.", "\f\n.", "\r\n\xae",
    }
    for _, length in ipairs { 1, 2, 9, 33, 63, 64, 65, 127, 128, 129 } do
      for at = 0, length - 1 do
        for _, thing in ipairs(things) do
          check((("x"):rep(at) .. thing .. ("x"):rep(length)):sub(1, length), start_of_text())
        end
      end
    end
  end)

  it("measures a line that just fits between the edges of a step", function()
    for lead = 0, 63 do
      for octets = 58, 63 do
        local line, longer = ("x"):rep(octets), ("y"):rep(octets + 1)
        check(("x"):rep(lead) .. "\r\n" .. line .. "\r\n" .. longer .. "\r\n" .. line, start_of_text())
      end
    end
  end)

  it("tells each octet from the other 255", function()
    for octet = 0, 255 do
      local c = string.char(octet)
      for _, group in ipairs { c, "\r" .. c .. ".", c .. "\n.", "\r\n" .. c, "\1" .. c .. "\1" } do
        check("x" .. group:rep(25), start_of_text())
      end
    end
  end)

  it("stops counting a line at four thousand million octets", function()
    local from = { at_start = false, after_cr = true, bare = false, octets = 0xfffffff0, longest = 0xfffffff0 }
    for length = 0, 100 do
      check(("x"):rep(length), from)
      check(("x"):rep(length) .. "\r\n", from)
    end
  end)

  for _, variant in ipairs(variants) do
    it(("goes on where the piece before left off (%s)"):format(variant), function()
      local roll = dice(3)
      assert.is_true(scan.use(variant))
      for _ = 1, 200 do
        local text = "x" .. random_text(roll, 400):gsub("\r\n%.", "\r\n:")
        local state, facts = start_of_text(), { before = LF, dot_line = false, eight_bit = false, lines = 0 }
        local want_facts, _, want = plain_facts(text, facts), plain_lines(text, state)
        local from = 1
        while from <= #text do
          local piece = text:sub(from, from + roll(150) - 1)
          from = from + scan.lines(piece, state)
          state, facts = select(2, scan.lines(piece, state)), scan.facts(piece, facts)
        end
        assert.same({ want, want_facts }, { state, facts })
      end
    end)

    it(("tells the longest of many lines (%s)"):format(variant), function()
      assert.is_true(scan.use(variant))
      for longest = 0, 300 do
        local text = ("\r\n"):rep(40) .. ("x"):rep(longest) .. "\r\n" .. ("short\r\n"):rep(30)
        local _, l = scan.lines(text, start_of_text())
        assert.same({ math.max(longest, 5), 0, false }, { l.longest, l.octets, l.bare })
      end
    end)
  end
end)
