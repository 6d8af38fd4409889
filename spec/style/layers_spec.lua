-- The layer rule: a file includes only its own folder or a lower rank.  HACKING.md has the picture.
local tree = require "spec.support.tree"

local rank = {
  base = 1, mail = 2, net = 2, hook = 3, smtp = 4, pop3 = 4, store = 4, relay = 5,
  script = 6, server = 7, command = 8, bin = 9, spec = 10,
}

-- Who may include the headers of a library.
local libraries = {
  { pattern = "^lua%.h$", folders = { script = true } },
  { pattern = "^lauxlib%.h$", folders = { script = true } },
  { pattern = "^lualib%.h$", folders = { script = true } },
  { pattern = "^lmdb%.h$", folders = { store = true } },
  { pattern = "^ev%.h$", folders = { net = true } },
  { pattern = "^stringprep%.h$", folders = { mail = true } },
  { pattern = "^idna?%-?%w*%.h$", folders = { mail = true } },
  { pattern = "^crypt%.h$", folders = { command = true, script = true } },
  { pattern = "^cjson/", folders = { command = true, server = true } },
  { pattern = "^openssl/", folders = { net = true }, files = { ["core/base/digest.c"] = true } },
}

local function folder_of(path)
  return path:match("^core/([^/]+)/") or path:match("^([^/]+)/") or "spec"
end

local function includes(path)
  local list = {}
  for number, line in tree.lines(path) do
    local open, name = line:match('^%s*#%s*include%s+(["<])([^">]+)[">]')
    if name then
      list[#list + 1] = { name = name, own = open == '"', where = path .. ":" .. number }
    end
  end
  return list
end

local function may_use(library, path, folder)
  return folder == "spec" or library.folders[folder] or library.files and library.files[path]
end

describe("the layers", function()
  local sources = tree.files("^core/.+%.[ch]$", "^bin/.+%.[ch]$", "^spec/.+%.[ch]$")

  it("are all known by name and rank", function()
    for _, path in ipairs(sources) do
      assert.is_truthy(rank[folder_of(path)], path .. ": a folder without a rank")
    end
  end)

  it("include their own folder or a lower rank, never a neighbour", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      local mine = folder_of(path)
      for _, inc in ipairs(includes(path)) do
        local theirs = inc.own and folder_of(inc.name)
        if theirs and theirs ~= mine and not (rank[theirs] and rank[theirs] < rank[mine]) then
          wrong[#wrong + 1] = ("%s: %s is not below %s"):format(inc.where, inc.name, mine)
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("name the folder in every include of the project's own headers", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      local home = path:find("^spec/") and path:match("^(.+/)") or "core/"
      for _, inc in ipairs(includes(path)) do
        if inc.own and not tree.exists(home .. inc.name) and not tree.exists("core/" .. inc.name) then
          wrong[#wrong + 1] = inc.where .. ": " .. inc.name
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("leave each library to the one folder that wraps it", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      for _, inc in ipairs(includes(path)) do
        for _, library in ipairs(libraries) do
          if inc.name:find(library.pattern) and not may_use(library, path, folder_of(path)) then
            wrong[#wrong + 1] = ("%s: %s"):format(inc.where, inc.name)
          end
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("see the world in order: own headers, the system and libraries, then our own", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      local before, ours = true, false
      for _, inc in ipairs(includes(path)) do
        before = before and inc.own and folder_of(inc.name) == folder_of(path)
        if not before then
          ours = ours or inc.own
          if ours and not inc.own then
            wrong[#wrong + 1] = ("%s: %s comes too late"):format(inc.where, inc.name)
          end
        end
      end
    end
    assert.same({}, wrong)
  end)
end)
