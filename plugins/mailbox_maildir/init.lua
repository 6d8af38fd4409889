-- Mailboxes as Maildirs, which mutt, Dovecot and others can read at the same time:
-- <path>/<domain>/<user>/{tmp,new,cur}.
--
-- Delivery writes to tmp, syncs, renames into new and syncs the directory.  Deleting writes down
-- what is to go first (the file moonpost.deleting), so that after a crash either all of it goes or
-- nothing.  A message's UIDL is its file name without flags and folder.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"
local file = mail.file

local options = plugin:options {
  path = { "file" },
  domains = { "list", of = "string", optional = true },          -- none: every mailbox
  quota_octets = { "integer", default = 0, min = 0 },            -- of a mailbox; 0: no limit
}

local JOURNAL = "moonpost.deleting"

local ours
if options.domains then
  ours = {}
  for _, domain in ipairs(options.domains) do ours[domain:lower()] = true end
end

---A name in a path: nothing that leads elsewhere.
local function safe(part)
  part = part:gsub("[^%w%-_.+=@]", function(c) return ("%%%02x"):format(c:byte()) end)
  if part:find("^%.") then part = "%2e" .. part:sub(2) end
  return part
end

---The folder of a mailbox, or nil when it is not ours.
local function folder_of(name)
  local user, domain = name:match("^(.*)@([^@]*)$")
  if not user then user, domain = name, mail.default_domain or "local" end
  if ours and not ours[domain:lower()] then return nil end
  if user == "" then return nil end
  return ("%s/%s/%s"):format(options.path, safe(domain), safe(user))
end

local function make_folder(folder)
  for _, sub in ipairs { "tmp", "new", "cur" } do
    local ok, err = file.mkdir(folder .. "/" .. sub)
    if not ok then return nil, err end
  end
  return true
end

---"1700000000.M5P6_1.host,S=1234:2,S" -> the part that never changes, and the size it tells.
local function parse_name(name)
  local base = name:match("^([^:]+)")
  return base, base and math.tointeger(tonumber(base:match(",S=(%d+)")))
end

---Time of arrival as the name tells it: seconds, microseconds, and the number of the delivery.
---Names of another kind come last.
local function arrival(base)
  local seconds, rest = base:match("^(%d+)%.?([^.,]*)")
  if not seconds then return { math.huge, 0, 0 } end
  return { tonumber(seconds), tonumber(rest:match("M(%d+)")) or 0, tonumber(rest:match("Q(%d+)")) or 0 }
end

local function earlier(a, b)
  for i, x in ipairs(a.arrival) do
    if x ~= b.arrival[i] then return x < b.arrival[i] end
  end
  return a.uid < b.uid
end

---Finish a deletion that a crash interrupted.
local function finish_deletion(folder)
  local text, err, why = file.read(folder .. "/" .. JOURNAL)
  if not text then
    if why == "notfound" then return true end
    return nil, err
  end
  local gone = {}
  for base in text:gmatch("[^\n]+") do gone[base] = true end
  local paths = {}
  for _, sub in ipairs { "new", "cur" } do
    local names, list_err = file.list(folder .. "/" .. sub)
    if not names then return nil, list_err end
    for _, name in ipairs(names) do
      if gone[(parse_name(name))] then paths[#paths + 1] = ("%s/%s/%s"):format(folder, sub, name) end
    end
  end
  local ok, remove_err = file.remove(paths)
  if not ok then return nil, remove_err end
  for _, sub in ipairs { "new", "cur" } do
    ok, remove_err = file.sync(folder .. "/" .. sub)
    if not ok then return nil, remove_err end
  end
  return file.remove { folder .. "/" .. JOURNAL }
end

---Size of the message as RETR sends it, and whether its line ends must become CRLF: other programs
---write LF alone.  Our own deliveries tell in their name that both sizes are the same.
local function measure(path, told)
  if told and path:find(",W=" .. told, 1, true) then return told, false end
  local stat, err, why = file.stat(path, { crlf = true })
  if not stat then return nil, err, why end
  return stat.crlf_size, stat.crlf_size ~= stat.size
end

local backend = {}

---A lock of our own: other programs of the same folder do not know it, and Maildir does not need
---them to.
function backend.lock(_, name)
  local folder = folder_of(name)
  if not folder then return nil end
  local ok, err = make_folder(folder)
  if not ok then return nil, err end
  local lock, lock_err, why = file.lock(folder .. "/moonpost.lock")
  if not lock then return nil, why == "busy" and "busy" or lock_err end
  return lock
end

function backend.open(_, name)
  local folder = folder_of(name)
  if not folder then return nil end
  local ok, err = finish_deletion(folder)
  if not ok then return nil, err end
  return { folder = folder, messages = {} }
end

function backend.list(box)
  local entries = {}
  for _, sub in ipairs { "new", "cur" } do
    local names, err = file.list(box.folder .. "/" .. sub)
    if not names then return nil, err end
    for _, name in ipairs(names) do
      local base, told = parse_name(name)
      if base and not name:find("^%.") and not box.messages[base] then
        local path = ("%s/%s/%s"):format(box.folder, sub, name)
        local size, convert, why = measure(path, told)
        if size then
          box.messages[base] = { path = path, convert = convert }
          entries[#entries + 1] = { uid = base, size = size, arrival = arrival(base) }
        elseif why ~= "notfound" then             -- another program took it away meanwhile
          return nil, convert
        end
      end
    end
  end
  table.sort(entries, earlier)
  return entries
end

---File names may be longer than a UIDL and may hold what a UIDL may not.
function backend.uidl(_, uid)
  if #uid <= 70 and uid:find("^[!-~]+$") then return uid end
  return mail.hex(mail.sha256(uid)):sub(1, 40)
end

---Another program may have moved the message from new to cur, or set flags.
local function find_again(box, uid)
  for _, sub in ipairs { "cur", "new" } do
    for _, name in ipairs(file.list(box.folder .. "/" .. sub) or {}) do
      if parse_name(name) == uid then return ("%s/%s/%s"):format(box.folder, sub, name) end
    end
  end
end

function backend.read(box, uid, offset, max)
  local message = box.messages[uid]
  local how = { crlf = message.convert }
  local octets, err, why = file.read(message.path, offset, max, how)
  if octets or why ~= "notfound" then return octets, err end
  message.path = find_again(box, uid) or message.path
  return file.read(message.path, offset, max, how)
end

function backend.delete(box, uids)
  local journal = box.folder .. "/" .. JOURNAL
  local ok, err = file.write(journal .. ".new", table.concat(uids, "\n") .. "\n", { sync = true })
  if not ok then return nil, err end
  ok, err = file.rename(journal .. ".new", journal, { sync = true })
  if not ok then return nil, err end
  -- From here on they are deleted: what fails now is finished when the mailbox is opened next.
  ok, err = finish_deletion(box.folder)
  if not ok then mail.log.warn("a deletion is left for later", { folder = box.folder, error = err }) end
  return true
end

local host = mail.hostname:gsub("/", "\\057"):gsub(":", "\\072")
local delivered = 0

---A name nobody else makes (https://cr.yp.to/proto/maildir.html): time, randomness, host; with the
---sizes Dovecot knows: S the file's, W with CRLF line ends.
local function unique_name(octets)
  delivered = delivered + 1
  local now = mail.now()
  return ("%d.M%dR%sQ%d.%s,S=%d,W=%d"):format(math.floor(now), math.floor(now % 1 * 1000000),
    mail.random(12), delivered, host, octets, octets)
end

local function used_octets(folder)
  local sum = 0
  for _, sub in ipairs { "new", "cur" } do
    for _, name in ipairs(file.list(folder .. "/" .. sub) or {}) do
      local _, told = parse_name(name)
      local stat = not told and file.stat(("%s/%s/%s"):format(folder, sub, name))
      sum = sum + (told or stat and stat.size or 0)
    end
  end
  return sum
end

function backend.append(name, message)
  local folder = folder_of(name)
  if not folder then return nil end
  local ok, err, why = make_folder(folder)
  if not ok then return nil, why == "nospace" and why or err end
  if options.quota_octets > 0 and used_octets(folder) + message.octets > options.quota_octets then
    return nil, "quota"
  end
  local unique = unique_name(message.octets)
  local tmp = folder .. "/tmp/" .. unique
  ok, err, why = file.write(tmp, message, { exclusive = true, sync = true })
  if not ok then return nil, why == "nospace" and why or err end
  ok, err = file.rename(tmp, folder .. "/new/" .. unique, { sync = true })
  if not ok then
    file.remove { tmp }
    return nil, err
  end
  return true
end

plugin:hook("mailbox", backend)
