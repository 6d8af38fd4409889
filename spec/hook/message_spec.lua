local message = require("spec.support.bind")("message")

local function scratch()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

describe("crc32c", function()
  it("gives the check value of the Castagnoli polynomial, both ways of computing", function()
    local fast, portable = message.crc32c("123456789")
    assert.equal(0xe3069283, fast)
    assert.equal(0xe3069283, portable)
  end)

  it("goes on from an earlier value, at any cut", function()
    local text = ("The quick brown fox\r\n"):rep(20)
    local whole = message.crc32c(text)
    for cut = 0, #text, 7 do
      local fast, portable = message.crc32c(text:sub(1, cut))
      assert.equal(fast, portable)
      fast, portable = message.crc32c(text:sub(cut + 1), fast)
      assert.equal(whole, fast)
      assert.equal(whole, portable)
    end
  end)
end)

describe("a message on its way in", function()
  local directory

  setup(function() directory = scratch() end)
  teardown(function() os.execute("rm -rf " .. directory) end)

  local function facts_of(text, step)
    local m = message.new(directory)
    for i = 1, #text, step or #text do
      assert.equal("OK", m:append(text:sub(i, i + (step or #text) - 1)))
    end
    return m:facts(), m
  end

  it("counts lines, header octets and octets alike however the octets are cut", function()
    local text = "Subject: x\r\nFrom: a\r\n\r\nbody\r\n\r\n.dot\r\nend\r\n"
    for _, step in ipairs { 1, 2, 3, 5, #text } do
      local f = facts_of(text, step)
      assert.same({ octets = #text, lines = 7, header_octets = 23, crc = (message.crc32c(text)),
                    dot_lines = true, eight_bit = false, in_file = false, open_end = false }, f)
    end
  end)

  it("has no header octets before the empty line", function()
    assert.equal(0, facts_of("Subject: x\r\n").header_octets)
    assert.equal(0, facts_of("Subject: x\n\n").header_octets)
  end)

  it("has a header of two octets when it begins with an empty line", function()
    for step = 1, 3 do
      assert.equal(2, facts_of("\r\nbody\r\n\r\n", step).header_octets)
    end
  end)

  it("sees a dot at the start of the message or of a line only", function()
    assert.is_true(facts_of(".x").dot_lines)
    assert.is_false(facts_of("x.y\r\n z.\r\n").dot_lines)
    assert.is_true(facts_of("x\r\n.", 1).dot_lines)
    assert.is_true(facts_of("x\r\n.", 3).dot_lines)
  end)

  it("knows whether its last line has a CRLF", function()
    for step = 1, 3 do
      for _, text in ipairs { "a", "a\r", "a\n", "\n", "a\r\n\n", "a\r\nb" } do
        assert.is_true(facts_of(text, step).open_end)
      end
      assert.is_false(facts_of("a\r\n", step).open_end)
      assert.is_false(facts_of("\r\n", step).open_end)
    end
    assert.is_false(message.new(directory):facts().open_end)
  end)

  it("sees 8-bit octets at any place", function()
    for n = 0, 17 do
      assert.is_true(facts_of(("a"):rep(n) .. "\xc3" .. ("b"):rep(17 - n)).eight_bit)
    end
    assert.is_false(facts_of(("a"):rep(40)).eight_bit)
  end)

  it("stays in memory up to 65,280 octets and goes to a file above", function()
    local f = facts_of(("x"):rep(65280))
    assert.is_false(f.in_file)
    local g, m = facts_of(("x"):rep(65281))
    assert.is_true(g.in_file)
    assert.equal(("x"):rep(65281), m:read(0, 100000))
  end)

  it("keeps every octet when it moves from memory to the file", function()
    local lines = {}
    for i = 1, 30000 do lines[i] = ("line %d"):format(i) end
    local text = table.concat(lines, "\r\n") .. "\r\n"
    local f, m = facts_of(text, 1009)
    assert.is_true(f.in_file)
    assert.equal(30000, f.lines)
    assert.equal((message.crc32c(text)), f.crc)
    assert.equal(text, m:read(0, #text + 10))
    assert.equal(text:sub(70001, 70100), m:read(70000, 100))
    assert.equal("", m:read(#text, 10))
  end)

  it("leaves no name behind in the directory", function()
    local _, m = facts_of(("y"):rep(200000))
    local pipe = io.popen("ls -A " .. directory)
    assert.equal("", pipe:read("a"))
    pipe:close()
    assert.equal("yyy", m:read(199997, 10))
  end)

  it("is too big for memory alone when it has no directory", function()
    local m = message.new()
    assert.equal("OK", m:append(("x"):rep(65280)))
    assert.equal("TOOBIG", m:append("x"))
  end)

  it("says IO when the directory is not there", function()
    local m = message.new(directory .. "/missing")
    assert.equal("IO", m:append(("x"):rep(65281)))
  end)
end)
