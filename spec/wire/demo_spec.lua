-- `make run` as a newcomer sees it: the demo in a copy of the checkout, on other ports, and the commands
-- it prints, run as they stand there.
local server = require "spec.support.server"
local process = require("spec.support.bind")("process")
local tree = require "spec.support.tree"
local socket = require "socket"
local lfs = require "lfs"

describe("the demo", function()
  local dir, pid, log, ports

  setup(function()
    dir, ports = assert(process.directory()), {}
    log = dir .. "/log"
    local script = tree.read("bin/moonpost-demo")
    for _, port in ipairs { 2525, 2587, 2465, 2110, 2995 } do
      local free = assert(socket.bind("127.0.0.1", 0))
      ports[port] = select(2, free:getsockname())
      free:close()
    end
    script = script:gsub("%d%d%d%d", function(port) return ports[tonumber(port)] end)
    assert(os.execute(("mkdir %s/bin && ln -s %s/build %s/build && cp -r lua plugins %s"):format(
      dir, lfs.currentdir(), dir, dir)))
    local file = assert(io.open(dir .. "/bin/moonpost-demo", "w"))
    file:write(script)
    file:close()
    process.chmod(dir .. "/bin/moonpost-demo", 493)
  end)

  local function start()
    os.remove(log)
    pid = assert(process.spawn({ dir .. "/bin/moonpost-demo" }, nil, log))
    local deadline = socket.gettime() + 30
    local text
    repeat
      socket.sleep(0.02)
      text = tree.exists(log) and tree.read(log) or ""
    until text:find("Ctrl%-C ends the server") or socket.gettime() > deadline
    assert.is_truthy(text:find("moonpost %S+ ready:"), text)
    return text
  end

  ---As Ctrl-C does: the whole group gets the signal.
  local function stop()
    if not pid then return end
    process.kill(-pid, "INT")
    local deadline, how, code = socket.gettime() + 15
    repeat
      how, code = process.reap(pid)
      socket.sleep(0.01)
    until how or socket.gettime() > deadline
    if not how then process.kill(-pid, "KILL") end
    pid = nil
    return how, code
  end

  teardown(function()
    stop()
    os.execute("rm -rf '" .. dir .. "'")
  end)

  local function shell(command)
    local code, output = server.run({ "sh", "-c", "cd '" .. dir .. "' && " .. command })
    assert.equal(0, code, command .. "\n" .. output)
    return output
  end

  it("prints three commands that work as they stand there", function()
    local welcome = start()
    local send = assert(welcome:match("\n   (curl %-%-ssl%-reqd.-)\n\n"))
    local fetch = assert(welcome:match("\n   (curl %-%-cacert[^\n]+)\n"))
    local by_hand = assert(welcome:match("\n   (openssl [^\n]+)\n"))
    shell(send)
    local text = shell(fetch)
    assert.is_truthy(text:find("this came through moonpost.\r\n.\r\nA dot alone", 1, true), text)
    local dialogue = shell("{ printf 'USER bob@example.test\\nPASS bob-demo\\n'; sleep 0.5; " ..
      "printf 'LIST\\nRETR 1\\nQUIT\\n'; sleep 0.5; } | " .. by_hand .. " 2>&1")
    assert.is_truthy(dialogue:find("signing off (1 message left)", 1, true), dialogue)
  end)

  it("ends cleanly on Ctrl-C", function()
    assert.same({ "exited", 0 }, { stop() })
  end)

  it("keeps the mail for the next time", function()
    start()
    local list = shell("curl -sS --cacert var/tls/ca.pem --user bob@example.test:bob-demo pop3s://localhost:" ..
      ports[2995] .. "/")
    assert.is_truthy(list:find("^1 %d+\r\n$"), list)
    assert.same({ "exited", 0 }, { stop() })
  end)

  it("writes nothing outside var/", function()
    local names = {}
    for name in lfs.dir(dir) do names[name] = true end
    assert.same({ ["."] = true, [".."] = true, bin = true, build = true, lua = true, plugins = true, var = true,
      log = true }, names)
  end)
end)
