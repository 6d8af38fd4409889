-- The location rules: from an exported name to its file without a search.
local tree = require "spec.support.tree"

-- Names that are words of their own.
local words = { die = true, ascii_lower = true, crc32c = true, crc32c_portable = true }

---Functions a header declares: name -> true.
local function declared(path)
  local names = {}
  local text = tree.without_comments(tree.read(path)):gsub("\\\n", " "):gsub("\n%s*#[^\n]*", "\n")
  text = text:gsub("%b{}", "{}"):gsub("__attribute__%s*%b()", "")
  for statement in text:gmatch("[^;{}]+") do
    local name = statement:match("^%s*[%a_][%w_%s%*]-([%a_][%w_]*)%s*%(")
    if name and not statement:find("typedef") and not statement:find("%(%s*%*") then
      names[name] = true
    end
  end
  return names
end

---Structures and enumerations a header names, and the files of its folder.
local function families(path)
  local set = {}
  for _, source in ipairs(tree.files("^" .. path:match("^(.+/)") .. "[^/]+%.c$")) do
    set[source:match("([^/]+)%.c$")] = true
  end
  for name in tree.without_comments(tree.read(path)):gmatch("%f[%w](%l[%w_]*)%s*[{;]") do
    set[name] = true
  end
  return set
end

local function belongs(name, folder, file, family)
  if words[name] or name == file or name == folder then return true end
  for _, prefix in ipairs { file, folder, folder .. "_" .. file } do
    if name:sub(1, #prefix + 1) == prefix .. "_" then return true end
  end
  for prefix in pairs(family) do
    if name:sub(1, #prefix + 1) == prefix .. "_" then return true end
  end
  return false
end

describe("exported names", function()
  local headers = tree.files("^core/.+%.h$")

  it("begin with a file of their folder, the folder or the structure the header declares", function()
    local wrong = {}
    for _, path in ipairs(headers) do
      local folder, file = path:match("^core/([^/]+)/([^/]+)%.h$")
      local family = families(path)
      for name in pairs(declared(path)) do
        if not belongs(name, folder, file, family) then wrong[#wrong + 1] = path .. ": " .. name end
      end
    end
    table.sort(wrong)
    assert.same({}, wrong)
  end)

  it("are declared in one header only", function()
    local home, wrong = {}, {}
    for _, path in ipairs(headers) do
      for name in pairs(declared(path)) do
        if home[name] then wrong[#wrong + 1] = ("%s: %s and %s"):format(name, home[name], path) end
        home[name] = path
      end
    end
    assert.same({}, wrong)
  end)

  it("are defined in the folder that declares them", function()
    local wrong = {}
    for _, path in ipairs(headers) do
      local folder = path:match("^core/([^/]+)/")
      local bodies = { tree.read(path) }
      for _, source in ipairs(tree.files("^core/" .. folder .. "/[^/]+%.c$")) do
        bodies[#bodies + 1] = tree.read(source)
      end
      local text = "\n" .. table.concat(bodies, "\n")
      for name in pairs(declared(path)) do
        if not text:find("\n[%a_][^\n;]*%f[%w_]" .. name .. "%([^;{}]*%)[^;{}]*\n{") then
          wrong[#wrong + 1] = path .. ": " .. name
        end
      end
    end
    table.sort(wrong)
    assert.same({}, wrong)
  end)

  it("put the reader of a file in its name: the guard of a header is its path", function()
    for _, path in ipairs(headers) do
      local folder, file = path:match("^core/([^/]+)/([^/]+)%.h$")
      local guard = ("MOONPOST_%s_%s_H"):format(folder, file):upper():gsub("[^%w]", "_")
      assert.is_truthy(tree.read(path):find("#ifndef " .. guard .. "\n#define " .. guard, 1, true), path)
    end
  end)
end)
