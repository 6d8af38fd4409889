-- Signing in against a text file: one "user:hash" a line, hashes as crypt(3) makes them.  What
-- stands behind another colon is ignored, so /etc/shadow and Dovecot's passwd-file fit too.
-- The file is read again when it has changed.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"

local options = plugin:options {
  path = { "file" },
  check_every = { "number", default = 1, min = 0 },   -- seconds between looks at the file
}

---@class auth_file.Table
local file = { users = {}, mtime = nil, size = nil, checked = 0 }

---"{CRYPT}$2y$..." and "{BLF-CRYPT}..." are Dovecot's spelling of the same.
local function plain_hash(hash)
  return (hash:gsub("^{[%w-]+}", ""))
end

local function parse(text)
  local users = {}
  for line in text:gmatch("[^\r\n]+") do
    local name, hash = line:match("^([^:#]+):([^:]*)")
    if name and hash ~= "" and not hash:find("^[!*]") then users[name:lower()] = plain_hash(hash) end
  end
  return users
end

---The users of the file as it is now; nil and why when it cannot be read.
local function current()
  local now = mail.now()
  if file.mtime and now - file.checked < options.check_every then return file.users end
  local stat, err = mail.file.stat(options.path)
  if not stat then return nil, err end
  if stat.mtime ~= file.mtime or stat.size ~= file.size then
    local text, why = mail.file.read(options.path)
    if not text then return nil, why end
    file.users, file.mtime, file.size = parse(text), stat.mtime, stat.size
  end
  file.checked = now
  return file.users
end

---"alice" is alice@<default domain>, in the file and in the login.
local function find(users, user)
  user = user:lower()
  if users[user] then return users[user], user end
  local domain = mail.default_domain
  if not domain then return nil, user end
  if user:find("@", 1, true) then
    local name = user:match("^(.+)@" .. domain:gsub("%p", "%%%0") .. "$")
    return name and users[name], user
  end
  return users[user .. "@" .. domain], user .. "@" .. domain
end

plugin:hook("auth", function(_, credentials)
  local users, err = current()
  if not users then return nil, err end
  local hash, name = find(users, credentials.user)
  if credentials.authzid ~= "" and credentials.authzid:lower() ~= credentials.user:lower() then
    return mail.reject("5.7.8", "Nobody may act for another user here")
  end
  -- nil is hashed as well, so that a stranger cannot tell who has an account
  if mail.crypt.verify(hash, credentials.password) then return { user = name } end
end)
