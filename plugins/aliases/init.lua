-- Aliases from the options and from a file, catch-all addresses, plus addressing.  The file is
-- read again when it has changed.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"

local options = plugin:options {
  aliases = { "table", default = {} },                   -- ["address"] = "target" or { targets }
  catch_all = { "map", of = "string", default = {} },    -- ["domain"] = "target"
  file = { "file", optional = true },
  check_every = { "number", default = 1, min = 0 },      -- seconds between looks at the file
  keep_detail = { "boolean", default = false },          -- sales+spring: alice+spring
  delimiter = { "string", default = "+" },
  priority = { "integer", default = 0 },
}

if #options.delimiter ~= 1 then error("option delimiter: one character, not " .. #options.delimiter, 0) end

---"Sales" -> "sales@<default domain>"; "@example.test" stays.
local function canonical(address)
  address = address:lower()
  if address:find("@", 1, true) or not mail.default_domain then return address end
  return address .. "@" .. mail.default_domain
end

local function check_address(where, address)
  if type(address) ~= "string" or not address:find("^[^%s@,:]+@?[^%s@,:]*$") or address:find("@$") then
    local what = type(address) == "string" and ("%q"):format(address) or type(address)
    error(("%s: %s is no address"):format(where, what), 0)
  end
  return address
end

---Targets of the options as a list, checked when the plugin loads.
local function as_list(name, value)
  local where = ("aliases[%q]"):format(tostring(name))
  local list = type(value) == "table" and value or { value }
  if #list == 0 then error(where .. ": an address or a list of addresses", 0) end
  for _, address in ipairs(list) do check_address(where, address) end
  return list
end

local given, catch_all = {}, {}
for name, value in pairs(options.aliases) do
  check_address("aliases", type(name) == "string" and name:gsub("^@", "any@") or name)
  given[canonical(name)] = as_list(name, value)
end
for domain, target in pairs(options.catch_all) do
  check_address(("catch_all[%q]"):format(domain), target)
  catch_all[domain:lower()] = { target }
end

---@class aliases.File
local file = { aliases = {}, mtime = nil, size = nil, checked = 0 }

---"name: target, target" with "#" comments; a line that begins with a blank goes on with the one before.
---What is no address is left out, with a line in the log: one mistake must not stop all mail.
local function parse(text)
  local aliases, current = {}, nil
  local number = 0
  for line in text:gmatch("([^\n]*)\n?") do
    number = number + 1
    line = line:gsub("#.*$", ""):gsub("%s+$", "")
    local name, targets = line:match("^([^%s:]+)%s*:(.*)$")
    if name then
      current = {}
      aliases[canonical(name)] = current
    end
    if line ~= "" and (name or line:find("^%s")) and current then
      for target in (targets or line):gmatch("[^%s,]+") do
        local ok, why = pcall(check_address, "line " .. number, target)
        if ok then
          current[#current + 1] = target
        else
          mail.log.warn("a target is left out", { file = options.file, why = why })
        end
      end
    elseif line ~= "" then
      mail.log.warn("a line is no alias: name: target, target", { file = options.file, line = number })
    end
  end
  return aliases
end

---The aliases of the file as it is now; nil and why when it cannot be read.
local function current()
  if not options.file then return file.aliases end
  local now = mail.now()
  if file.mtime and now - file.checked < options.check_every then return file.aliases end
  local stat, err = mail.file.stat(options.file)
  if not stat then return nil, err end
  if stat.mtime ~= file.mtime or stat.size ~= file.size then
    local text, why = mail.file.read(options.file)
    if not text then return nil, why end
    file.aliases, file.mtime, file.size = parse(text), stat.mtime, stat.size
  end
  file.checked = now
  return file.aliases
end

---Targets with the detail put into their names.
local function with_detail(targets, detail)
  if detail == "" or not options.keep_detail then return targets end
  local list = {}
  for i, target in ipairs(targets) do
    local localpart, domain = canonical(target):match("^(.-)(@?[^@]*)$")
    list[i] = localpart .. options.delimiter .. detail .. domain
  end
  return list
end

---The catch-all of the domain, unless the address has a mailbox of its own; nil and why when it cannot be told.
local function anybody(read, address, domain)
  local targets = given["@" .. domain] or read["@" .. domain] or catch_all[domain]
  if not targets or (#targets == 1 and canonical(targets[1]) == address) then return nil end
  local user, why, word = mail.users.get(address)
  if why and word ~= "notfound" then return nil, why end
  return not user and targets or nil
end

local function found(targets)
  return targets and #targets > 0 and targets or nil
end

plugin:hook("alias", function(_, recipient)
  local read, err = current()
  if not read then return nil, err end
  local domain = recipient.domain ~= "" and recipient.domain or mail.default_domain or ""
  local localpart, detail = recipient.localpart:lower(), recipient.detail
  -- the core's own delimiter may be another, or none
  if detail == "" then
    local at = localpart:find(options.delimiter, 2, true)
    if at then localpart, detail = localpart:sub(1, at - 1), recipient.localpart:sub(at + 1) end
  end
  local base = localpart .. "@" .. domain
  local whole = detail == "" and base or localpart .. options.delimiter .. detail:lower() .. "@" .. domain
  local exact = found(given[whole] or read[whole])
  if exact then return exact end
  local targets = found(given[base] or read[base])
  if targets then return with_detail(targets, detail) end
  return anybody(read, base, domain)
end, { priority = options.priority })
