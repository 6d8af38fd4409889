-- Mailboxes in the memory of the worker: for trying things out and for specs.  Nothing survives
-- the worker, and each worker has its own: use it with `workers = 1`.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"

local options = plugin:options {
  domains = { "list", of = "string", optional = true },          -- none: every mailbox
  quota_octets = { "integer", default = 0, min = 0 },            -- of a mailbox; 0: no limit
}

if mail.workers > 1 then
  mail.log.warn("mailbox_memory keeps mail in each worker of its own; set workers = 1",
    { workers = mail.workers })
end

local ours
if options.domains then
  ours = {}
  for _, domain in ipairs(options.domains) do ours[domain:lower()] = true end
end

---@class mailbox_memory.Box
---@field next integer uid of the next message
---@field octets integer
---@field messages { uid: integer, octets: string }[]
---@field locked boolean

---@type table<string, mailbox_memory.Box>
local boxes = plugin:state("boxes")

local function is_ours(name)
  return not ours or ours[name:match("@([^@]*)$") or ""]
end

local function box_of(name)
  local box = boxes[name]
  if not box then
    box = { next = 1, octets = 0, messages = {}, locked = false }
    boxes[name] = box
  end
  return box
end

local backend = {}

function backend.lock(_, name)
  if not is_ours(name) then return nil end
  local box = box_of(name)
  if box.locked then return nil, "busy" end
  box.locked = true
  return function() box.locked = false end
end

---A session sees the messages that were there when it began.
function backend.open(_, name)
  if not is_ours(name) then return nil end
  local box = box_of(name)
  local seen = {}
  for i, message in ipairs(box.messages) do seen[i] = message end
  return { box = box, seen = seen }
end

function backend.list(view)
  local entries = {}
  view.by_uid = {}
  for i, message in ipairs(view.seen) do
    view.by_uid[message.uid] = message
    entries[i] = { uid = message.uid, size = #message.octets }
  end
  return entries
end

---The prefix is new with each worker: a number would mean another message after a restart.
local prefix = mail.random(8)

function backend.uidl(_, uid)
  return ("%s.%d"):format(prefix, uid)
end

function backend.read(view, uid, offset, max)
  return view.by_uid[uid].octets:sub(offset + 1, offset + max)
end

function backend.delete(view, uids)
  local gone = {}
  for _, uid in ipairs(uids) do gone[uid] = true end
  local kept, octets = {}, 0
  for _, message in ipairs(view.box.messages) do
    if not gone[message.uid] then
      kept[#kept + 1] = message
      octets = octets + #message.octets
    end
  end
  view.box.messages, view.box.octets = kept, octets
  return true
end

function backend.append(name, message)
  if not is_ours(name) then return nil end
  local box = box_of(name)
  if options.quota_octets > 0 and box.octets + message.octets > options.quota_octets then
    return nil, "quota"
  end
  local pieces = {}
  for offset = 0, message.octets - 1, 1 << 20 do
    pieces[#pieces + 1] = message:read(offset, 1 << 20)
  end
  local octets = table.concat(pieces)
  box.messages[#box.messages + 1] = { uid = box.next, octets = octets }
  box.next, box.octets = box.next + 1, box.octets + #octets
  return true
end

plugin:hook("mailbox", backend)
