-- The source tree, for specs that check how it is built.
local lfs = require "lfs"

local M = {}

local skipped = { [".git"] = true, build = true, var = true }

---Visit every file of the checkout; what Git ignores stays out.
---@param dir string
---@param found string[]
local function walk(dir, found)
  for name in lfs.dir(dir) do
    local path = dir == "." and name or dir .. "/" .. name
    if name ~= "." and name ~= ".." and not skipped[path] then
      local mode = lfs.symlinkattributes(path, "mode")
      if mode == "directory" and name ~= "__pycache__" then
        walk(path, found)
      elseif mode == "file" and path ~= ".git" then
        found[#found + 1] = path
      end
    end
  end
end

---Paths of all files that match one of the Lua patterns, sorted.
---@param ... string
---@return string[]
function M.files(...)
  local all, chosen = {}, {}
  walk(".", all)
  for _, path in ipairs(all) do
    for _, pattern in ipairs { ... } do
      if path:find(pattern) then
        chosen[#chosen + 1] = path
        break
      end
    end
  end
  table.sort(chosen)
  return chosen
end

---@param path string
---@return string text
function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

---@param path string
---@return fun(): integer?, string? # line number and line
function M.lines(path)
  local number, text = 0, M.read(path)
  local next_line = text:gmatch("([^\n]*)\n?")
  return function()
    local line = next_line()
    number = number + 1
    if line then return number, line end
  end
end

---@param path string
function M.exists(path)
  return lfs.attributes(path, "mode") ~= nil
end

---C text without comments and string contents, line numbers kept.
---@param text string
function M.without_comments(text)
  local out, i = {}, 1
  while i <= #text do
    local two, one = text:sub(i, i + 1), text:sub(i, i)
    local stop
    if two == "/*" then
      stop = select(2, text:find("*/", i + 2, true)) or #text
      out[#out + 1] = " " .. text:sub(i, stop):gsub("[^\n]", "")
    elseif two == "//" then
      stop = (text:find("\n", i, true) or #text + 1) - 1
    elseif one == '"' or one == "'" then
      stop = i + 1
      while stop <= #text and text:sub(stop, stop) ~= one do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      out[#out + 1] = one .. one
    else
      stop = i
      out[#out + 1] = one
    end
    i = stop + 1
  end
  return table.concat(out)
end

return M
