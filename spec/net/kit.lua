-- What the specs of streams and TLS share: certificates made by the openssl command in a temporary
-- directory, and pairs of streams that talk to each other.
local base = require("spec.support.bind")("base")
local net = require("spec.support.bind")("net")

local M = { net = net, base = base }

-- The sanitizer's library is for us, not for the commands we start.
local CLEAN = "env -u LD_PRELOAD "

local function sh(command)
  assert(os.execute(CLEAN .. command .. " >/dev/null 2>&1"), command)
end

function M.directory()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

function M.remove(path)
  sh("rm -rf '" .. path .. "'")
end

function M.read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read("a")
  f:close()
  return text
end

function M.write(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
  return path
end

---A private root, an intermediate, and a maker of server certificates signed by it.
---@class Authority
---@field root string PEM file of the root
local Authority = {}
Authority.__index = Authority

local key_options = {
  ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256",
  ec384 = "-newkey ec -pkeyopt ec_paramgen_curve:P-384",
  rsa = "-newkey rsa:2048",
  ed25519 = "-newkey ed25519",
}

function M.authority(directory)
  local a = setmetatable({ directory = directory, root = directory .. "/root.pem" }, Authority)
  local request = "openssl req -x509 -nodes " .. key_options.ec .. " -days 365 "
  sh(request .. ("-keyout %s/root.key -out %s/root.pem -subj '/CN=Spec root'"):format(directory, directory))
  sh(request .. ("-CA %s/root.pem -CAkey %s/root.key -keyout %s/middle.key -out %s/middle.pem " ..
    "-subj '/CN=Spec intermediate' -addext basicConstraints=critical,CA:true"):format(
    directory, directory, directory, directory))
  return a
end

---A certificate for the names: { chain, key }, the leaf first and the intermediate behind it.
function Authority:certificate(label, names, options)
  options = options or {}
  local leaf, key = ("%s/%s.leaf"):format(self.directory, label), ("%s/%s.key"):format(self.directory, label)
  local alternatives = {}
  for i, name in ipairs(names) do alternatives[i] = "DNS:" .. name end
  sh(("openssl req -x509 -nodes %s -days %d %s -CA %s/middle.pem -CAkey %s/middle.key -keyout %s -out %s " ..
    "-subj '/CN=%s' -addext subjectAltName=%s -addext basicConstraints=critical,CA:false"):format(
    key_options[options.key or "ec"], options.days or 90, options.digest and "-" .. options.digest or "",
    self.directory, self.directory, key, leaf, label, table.concat(alternatives, ",")))
  sh("chmod 600 " .. key)
  local chain = M.write(("%s/%s.pem"):format(self.directory, label),
    M.read(leaf) .. M.read(self.directory .. "/middle.pem"))
  return { chain = chain, key = key, leaf = leaf }
end

---The lines that fn() logs, as one text.
function M.log_of(directory, fn)
  local path = directory .. "/log"
  os.remove(path)
  base.log_to(path)
  local ok, err = pcall(fn)
  base.log_to(nil)
  assert(ok, err)
  return M.read(path)
end

---Whether the loopback has IPv6; containers often have none.
function M.has_ipv6()
  local fd = net.listen("[::1]:0")
  if fd then net.close(fd) end
  return fd ~= nil
end

---Run the loop until condition() is true; it is asked after every event and every millisecond.
function M.eventually(condition)
  local limit = net.now_ms() + 30000         -- valgrind on a busy machine
  while not net.run(1, condition) do
    assert(net.now_ms() < limit, "it did not happen")
  end
end

---A stream that notes what happens: .got (all input), .closed, .secured, .drained (count).
function M.peer(fd, more)
  local p = { got = {}, drained = 0 }
  local events = {
    readable = function(s) p.got[#p.got + 1] = s:take() end,
    drained = function() p.drained = p.drained + 1 end,
    secured = function(s, status)
      p.secured = status
      p.error = s:error()
    end,
    closed = function(s, status)
      p.closed = status
      p.error = s:error()
    end,
  }
  for name, fn in pairs(more or {}) do events[name] = fn end
  p.stream = net.stream(fd, events)
  function p.text() return table.concat(p.got) end
  return p
end

---Two connected TCP descriptors.
function M.tcp_pair()
  local fd = assert(net.listen("127.0.0.1:0"))
  local accepted
  local acceptor = net.acceptor(fd, function(client) accepted = client end)
  local client = assert(net.connect("127.0.0.1:" .. net.local_address(fd).port))
  assert(net.run(2000, function() return accepted end))
  acceptor:free()
  net.close(fd)
  return accepted, client
end

---A server and a client stream after the handshake (or after it failed).
function M.secure_pair(server_context, client_context, name, more)
  local one, other = M.tcp_pair()
  more = more or {}
  local server, client = M.peer(one, more.server), M.peer(other, more.client)
  server.stream:start_tls(server_context)
  client.stream:connect_tls(client_context, name)
  assert(net.run(5000, function() return server.secured and client.secured end), "no handshake")
  return server, client
end

---Run `openssl s_client` with the options against a server with the context; its output.
function M.s_client(directory, context, options)
  local fd = assert(net.listen("127.0.0.1:0"))
  local out = directory .. "/s_client.out"
  local server
  local acceptor = net.acceptor(fd, function(client)
    server = M.peer(client, {
      secured = function(s, status)
        server.secured, server.error, server.facts = status, s:error(), s:tls()
        if status == "OK" then s:shutdown() else s:free() end
      end,
    })
    server.stream:start_tls(context)
  end)
  os.remove(out .. ".end")
  os.execute(("(" .. CLEAN .. "openssl s_client -ign_eof -connect 127.0.0.1:%d -CAfile %s/root.pem %s </dev/null >%s 2>&1; " ..
    "echo >%s.end) &"):format(net.local_address(fd).port, directory, options, out, out))
  local function ended()
    local f = io.open(out .. ".end")
    if f then f:close() end
    return f ~= nil
  end
  for _ = 1, 500 do
    net.run(10)
    if ended() then break end
  end
  acceptor:free()
  net.close(fd)
  local result = server or {}
  if server then server.stream:free() end
  result.text = M.read(out)
  return result
end

return M
