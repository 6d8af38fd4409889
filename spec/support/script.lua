-- A stage for plugins in specs: a temporary folder with a configuration and plugins, the script
-- around them, and its log.
local bind = require("spec.support.bind")("script")

local M = { bind = bind }

local function shell(command)
  assert(os.execute(command))
end

---A new temporary folder; M.clean() removes all of them.
local folders = {}
function M.folder()
  local pipe = assert(io.popen("mktemp -d"))
  local name = pipe:read("l")
  pipe:close()
  folders[#folders + 1] = name
  return name
end

function M.write(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

function M.read(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read("a")
  f:close()
  return text
end

---The lines logged since the last call.
function M.log()
  local text = M.read(M.log_file) or ""
  M.write(M.log_file, "")
  return text
end

---Under valgrind everything takes twenty times as long: hooks get more time.
local slow = (os.getenv("LD_PRELOAD") or ""):find("vgpreload")

---@param setup { plugins: table<string, string>?, store: table?, list: string?, extra: string?, folder: string? }
---store: a spec.support.store whose process the plugins reach
---plugins: name -> source, all of them loaded unless `list` (Lua text) says which and how.
function M.try(setup)
  local folder = setup.folder or M.folder()
  M.last_folder = folder
  M.log_file = folder .. "/log"
  M.write(M.log_file, "")
  assert(bind.log_to(M.log_file, setup.debug))
  shell(("mkdir -p '%s/plugins' '%s/run'"):format(folder, folder))
  local names = {}
  for name, source in pairs(setup.plugins or {}) do
    M.write(("%s/plugins/%s.lua"):format(folder, name), source)
    names[#names + 1] = ("%q"):format(name)
  end
  table.sort(names)
  local extra = setup.extra or ""
  if slow and not extra:find("lua =", 1, true) then
    extra = extra .. (extra:find("%S") and not extra:find(",%s*$") and "," or "") .. "\nlua = { cpu = 0.5 }"
  end
  if setup.store then
    local comma = extra:find("%S") and not extra:find(",%s*$") and "," or ""
    extra = ("%s%s store = { path = %q, map_octets = 1 << 30 }"):format(extra, comma, setup.store.settings.path)
  end
  M.write(folder .. "/moonpost.lua", ([[
return {
  hostname = "mail.example.test",
  domains = { "example.test" },
  workers = 1,
  listeners = { { service = "mta", address = "127.0.0.1:2525" } },
  plugins = { %s },
  %s
}
]]):format(setup.list or table.concat(names, ", "), extra))
  return bind.new(folder .. "/moonpost.lua", setup.store ~= nil)
end

---The same, but it must start.
local stages = {}
function M.new(setup)
  local stage, err = M.try(setup)
  if not stage then error(err, 2) end
  stages[#stages + 1] = stage
  return stage
end

---One plugin with this text behind the usual head.
function M.plugin(text, setup)
  setup = setup or {}
  setup.plugins = { one = 'local plugin = ... local mail = require "moonpost"\n' .. text }
  return M.new(setup)
end

---Ask and wait for the answer.
function M.ask(stage, question)
  local asked = stage:ask(question)
  stage:run(30000)               -- ends with the answer
  return assert(asked:answer(), "no answer")
end

---Open a mailbox and wait; the maildrop and how it went.
function M.open(stage, session, mailbox)
  local drop = stage:open(session, mailbox)
  stage:run(5000)
  return drop, drop:status()
end

---All octets of message i, in pieces of `max`.
function M.fetch(stage, drop, i, max)
  local pieces, offset = {}, 0
  repeat
    drop:read(i, offset, max or 65536)
    stage:run(5000)
    assert(drop:status() == "OK", drop:status())
    pieces[#pieces + 1] = drop:octets()
    offset = offset + #drop:octets()
  until drop:octets() == ""
  return table.concat(pieces)
end

function M.deliver(stage, session, mailboxes, octets, spool)
  local delivery = stage:deliver(session, mailboxes, octets, spool)
  stage:run(5000)
  local results = delivery:results()
  delivery:cancel()
  return results
end

function M.commit(stage, drop, indexes)
  drop:commit(indexes)
  stage:run(5000)
  return drop:status()
end

---End all stages.  What a plugin forgot fails the spec, unless it says script.clean(true) to look at it.
---@return string? # with true: the log
function M.clean(leaks)
  for _, stage in ipairs(stages) do stage:close() end
  stages = {}
  local log = M.log_file and M.read(M.log_file) or ""
  bind.log_to("/dev/null")
  for _, folder in ipairs(folders) do shell(("rm -rf '%s'"):format(folder)) end
  folders = {}
  local found = log:match("[^\n]*plugin leak[^\n]*")
  if found and leaks ~= true then error(found, 2) end
  return leaks == true and log or nil
end

return M
