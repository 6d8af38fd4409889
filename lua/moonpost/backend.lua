-- Between the core and a mailbox backend (plugin:hook("mailbox", {...})): calls its functions in
-- the right order and checks what they return.  The core calls this; plugins do not.
local M = {}

---A function of the backend, or a method of the box.
local function method(backend, box, name)
  local fn = backend[name]
  if fn == nil and (type(box) == "table" or type(box) == "userdata") then fn = box[name] end
  return fn
end

---Give a lock back, whatever it is: a function, an object with close, or just true.
local function release(lock)
  if type(lock) == "function" then
    lock()
  elseif type(lock) == "table" or type(lock) == "userdata" then
    if lock.close then lock:close() end
  end
end

local function close_box(backend, box)
  local close = method(backend, box, "close")
  if close then close(box) end
end

local function check_uidl(uidl, seen)
  if type(uidl) ~= "string" or not uidl:find("^[!-~]+$") or #uidl > 70 then
    error(("mailbox backend: %s is no UIDL: 1 to 70 octets from ! to ~ (RFC 1939, 7)")
      :format(type(uidl) == "string" and ("%q"):format(uidl) or "a " .. type(uidl)), 0)
  end
  if seen[uidl] then error(("mailbox backend: the UIDL %s is there twice"):format(uidl), 0) end
  seen[uidl] = true
end

---What list returned, as three arrays.
local function read_list(backend, box)
  local list = method(backend, box, "list")
  if not list then error("mailbox backend: there is no function list", 0) end
  local entries, err = list(box)
  if type(entries) ~= "table" then
    error("mailbox backend: list returned no table: " .. tostring(err or entries), 0)
  end
  local uidl_of = method(backend, box, "uidl")
  local uids, sizes, uidls, seen = {}, {}, {}, {}
  for i, entry in ipairs(entries) do
    local uid, size = entry.uid, entry.size
    if uid == nil then error(("mailbox backend: entry %d has no uid"):format(i), 0) end
    if math.type(size) ~= "integer" or size < 0 then
      error(("mailbox backend: entry %d has no size in octets"):format(i), 0)
    end
    local uidl = entry.uidl or (uidl_of and uidl_of(box, uid)) or tostring(uid)
    check_uidl(uidl, seen)
    uids[i], sizes[i], uidls[i] = uid, size, uidl
  end
  return uids, sizes, uidls
end

---nil: not this backend's mailbox.  nil, "busy" or another text: not now.
function M.open(backend, session, name)
  local lock, box, opened
  local _ <close> = setmetatable({}, { __close = function()
    if opened then return end
    if box then close_box(backend, box) end
    release(lock)
  end })
  if backend.lock then
    local err
    lock, err = backend.lock(session, name)
    if not lock then return nil, err end
  end
  local err
  box, err = backend.open(session, name)
  if not box then return nil, err end
  local uids, sizes, uidls = read_list(backend, box)
  opened = true
  return box, lock, uids, sizes, uidls
end

function M.close(backend, box, lock)
  local _ <close> = setmetatable({}, { __close = function() release(lock) end })
  close_box(backend, box)
end

---At least one octet, or "" at the end.
function M.read(backend, box, uid, offset, max)
  local read = method(backend, box, "read")
  if not read then error("mailbox backend: there is no function read", 0) end
  local octets, err = read(box, uid, offset, max)
  if type(octets) ~= "string" then
    if octets ~= nil then error("mailbox backend: read returned a " .. type(octets), 0) end
    return nil, tostring(err or "read returned nothing")
  end
  return octets
end

---All or nothing.
function M.delete(backend, box, uids)
  local delete = method(backend, box, "delete") or method(backend, box, "commit")
  if not delete then return nil, "this mailbox cannot delete" end
  local done, err = delete(box, uids)
  if done == true then return true end
  if done ~= nil and done ~= false then
    error("mailbox backend: delete returns true, or nil and why, not a " .. type(done), 0)
  end
  return nil, tostring(err or "delete did not say why")
end

---true: stored.  nil: not this backend's mailbox.  nil, "quota" or another text: not now.
function M.append(backend, name, message, envelope)
  local done, err = backend.append(name, message, envelope)
  if done == true then return true end
  if done ~= nil and done ~= false then
    error("mailbox backend: append returns true, or nil and why, not a " .. type(done), 0)
  end
  return nil, err and tostring(err)
end

return M
