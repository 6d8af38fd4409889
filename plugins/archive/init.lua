-- Archive on delete: each message that a POP3 client deletes is appended to an mbox file first.
-- A message that cannot be archived is kept.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"
local file = mail.file

local options = plugin:options {
  path = { "file" },                                             -- a folder: one file per mailbox
  mailboxes = { "list", of = "string", optional = true },        -- none: all of them
  sync = { "boolean", default = true },                          -- on the disk before it is deleted
}

local only
if options.mailboxes then
  only = {}
  for _, name in ipairs(options.mailboxes) do only[name:lower()] = true end
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

---"Sat Nov 21 22:00:00 2026": the date of mbox, in English and UTC (RFC 4155).
local function asctime(seconds)
  local t = os.date("!*t", math.floor(seconds))
  return ("%s %s %2d %02d:%02d:%02d %d"):format(DAYS[t.wday], MONTHS[t.month], t.day, t.hour, t.min,
    t.sec, t.year)
end

local function file_of(mailbox)
  local name = mailbox:gsub("[^%w%-_.+=@]", "_"):gsub("^%.", "_")
  return ("%s/%s.mbox"):format(options.path, name)
end

---true, or nil and why.
local function archive(mailbox, deletion)
  local octets, err = deletion:read()
  if not octets then return nil, err end
  local ok
  ok, err = file.mkdir(options.path)
  if not ok then return nil, err end
  -- mboxrd, in one piece: a line in front, an empty line behind
  local from = ("From MAILER-DAEMON %s\n"):format(asctime(mail.now()))
  return file.write(file_of(mailbox), { from, { mbox = octets }, "\n" },
    { append = true, sync = options.sync })
end

plugin:hook("on_delete", function(_, mailbox, deletion)
  if only and not only[mailbox:lower()] then return end
  local ok, err = archive(mailbox, deletion)
  if ok then return end
  mail.log.error("a message is kept, for it cannot be archived", { mailbox = mailbox, error = err })
  return mail.keep("it cannot be archived now")
end)
