-- A mail store for one spec: a data directory, its store process, and clients of this process.
local store = require "spec.support.bind" ("store")

local M = { bind = store }
M.__index = M

local KILL, TERM = 9, 15

local function scratch()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

---@param settings table?  keys of struct store_settings
---@param path string?     an existing directory that stays
function M.new(settings, path)
  local self = setmetatable({ settings = {} }, M)
  for k, v in pairs(settings or {}) do self.settings[k] = v end
  self.scratch = not path and scratch() or nil
  self.settings.path = path or self.scratch .. "/mail"
  assert(store.prepare(self.settings))
  self.listening = assert(store.listen(self.settings))
  self:start(self.settings.quiet)
  return self
end

---quiet: also errors are not written; for specs that cause them
function M:start(quiet)
  -- Warnings about the store being away are what many specs are about.
  store.quiet(not os.getenv("STORE_LOG"))
  self.pid = store.start(self.settings, self.listening, quiet)
end

---@return string how, integer number
function M:stop(signal)
  store.kill(self.pid, signal or TERM)
  local how, number = store.wait(self.pid)
  self.pid = nil
  return how, number
end

function M:kill() return self:stop(KILL) end

function M:restart(signal)
  self:stop(signal)
  self:start()
end

function M:client(settings)
  local merged = {}
  for k, v in pairs(self.settings) do merged[k] = v end
  for k, v in pairs(settings or {}) do merged[k] = v end
  local client = assert(store.client(merged))
  self.clients = self.clients or {}
  table.insert(self.clients, client)
  return client
end

---Everything goes: clients, process, directory.
function M:finish()
  for _, client in ipairs(self.clients or {}) do client:close() end
  if self.pid then self:stop() end
  store.close_fd(self.listening)
  if self.scratch then os.execute("rm -rf " .. self.scratch) end
end

---The whole text of every message of a mailbox.
function M.texts(client, mailbox)
  local drop = assert(client:open(mailbox))
  local list = {}
  for i = 1, drop:facts().count do list[i] = assert(drop:read(i)) end
  drop:close()
  return list
end

---No problems, or their text.
function M:problems()
  local list = assert(store.check(self.settings))
  return table.concat(list, "\n")
end

return M
