-- Sizes at which a file or a function should have been split, and the small manners of every file.
local tree = require "spec.support.tree"

local FILE, HEADER, FUNCTION, COLUMNS = 600, 150, 100, 100

local function line_count(path)
  return select(2, tree.read(path):gsub("\n", "\n"))
end

---Longest first: { name, lines, where }
local function functions(path)
  local list, start, head = {}, nil, nil
  local previous = ""
  for number, line in tree.lines(path) do
    if line == "{" then
      start, head = number, previous
    elseif line == "}" and start then
      list[#list + 1] = { where = ("%s:%d: %s"):format(path, start, head), lines = number - start - 1 }
      start = nil
    end
    previous = line
  end
  return list
end

local function width(line)
  line = line:gsub("\t", "    ")
  return utf8.len(line) or #line
end

describe("every file", function()
  local c = tree.files("^core/.+%.[ch]$", "^bin/.+%.[ch]$", "^spec/.+%.[ch]$")
  local text_files = tree.files("%.[ch]$", "%.lua$", "%.md$", "%.py$", "^Makefile$", "^bin/[^/.]+$")

  it("is at most 600 lines long, a header 150; the reference may be longer, it is looked up, not read", function()
    local wrong = {}
    for _, path in ipairs(tree.files("%.[ch]$", "%.lua$", "%.py$")) do
      local limit = path:find("%.h$") and HEADER or path:find("^lua/meta/") and math.huge or FILE
      local lines = line_count(path)
      if lines > limit then wrong[#wrong + 1] = ("%s: %d lines"):format(path, lines) end
    end
    assert.same({}, wrong)
  end)

  it("has functions that fit a screen or two", function()
    local wrong = {}
    for _, path in ipairs(c) do
      for _, f in ipairs(functions(path)) do
        if f.lines > FUNCTION then wrong[#wrong + 1] = ("%s: %d lines"):format(f.where, f.lines) end
      end
    end
    assert.same({}, wrong)
  end)

  it("keeps to 100 columns", function()
    local wrong = {}
    for _, path in ipairs(tree.files("%.[ch]$")) do
      for number, line in tree.lines(path) do
        if width(line) > COLUMNS + 10 then wrong[#wrong + 1] = path .. ":" .. number end
      end
    end
    assert.same({}, wrong)
  end)

  it("ends with one line end and has no space at a line's end", function()
    local wrong = {}
    for _, path in ipairs(text_files) do
      local text = tree.read(path)
      if text:sub(-1) ~= "\n" or text:sub(-2) == "\n\n" then wrong[#wrong + 1] = path .. ": end" end
      local number = 0
      for line in text:gmatch("([^\n]*)\n") do
        number = number + 1
        if line:find("[ \t]$") then wrong[#wrong + 1] = path .. ":" .. number end
      end
    end
    assert.same({}, wrong)
  end)

  it("opens with what it is for", function()
    local wrong = {}
    for _, path in ipairs(c) do
      if not tree.read(path):find("^/%*") then wrong[#wrong + 1] = path end
    end
    assert.same({}, wrong)
  end)

  it("is finished: no marks of work that is left", function()
    local marks = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X" }
    local wrong = {}
    for _, path in ipairs(text_files) do
      for number, line in tree.lines(path) do
        for _, mark in ipairs(marks) do
          if line:find("%f[%w]" .. mark .. "%f[%W]") then wrong[#wrong + 1] = path .. ":" .. number end
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("knows nothing of the machine it was written on", function()
    local marks = { "/wo" .. "rk/", "/ro" .. "ot/" }
    local wrong = {}
    for _, path in ipairs(text_files) do
      for number, line in tree.lines(path) do
        for _, mark in ipairs(marks) do
          if line:find(mark, 1, true) then wrong[#wrong + 1] = path .. ":" .. number end
        end
      end
    end
    assert.same({}, wrong)
  end)
end)
