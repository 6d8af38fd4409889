-- New code of plugins in workers that run.
local server = require "spec.support.server"
local process = require("spec.support.bind")("process")
local dkjson = require "dkjson"
local unix = require "socket.unix"

describe("moonpost reload --plugin", function()
  local s

  local function text(word)
    return ([[
      local plugin = ...
      local mail = require "moonpost"
      local state = plugin:state("state", { name = mail.random(8) })
      plugin:hook("accept_sender", function() return mail.reject("5.7.1", "%s " .. state.name) end)
    ]]):format(word)
  end

  local function write(source)
    local file = assert(io.open(s.dir .. "/plugins/says.lua", "w"))
    file:write(source)
    file:close()
  end

  ---What MAIL is answered in a session: the word of the code and the name of its worker.
  local function ask(c)
    local _, answer = c:command("MAIL FROM:<a@b.example>")
    return answer:match("5%.7%.1 (%w+) (%w+)")
  end

  local function session()
    local c = s:connect("mta")
    c:reply()
    c:command("HELO client.example")
    return c
  end

  ---The same of both workers: names -> words.
  local function words()
    local found, count = {}, 0
    for _ = 1, 200 do
      local c = session()
      local word, name = ask(c)
      c:close()
      if not found[name] then count = count + 1 end
      found[name] = word
      if count == 2 then return found end
    end
    error("one worker took all sessions")
  end

  before_each(function() s = server.start { config = { workers = 2 }, plugins = { says = text "old" } } end)
  after_each(function() s:stop() end)

  it("gives all workers the new code; sessions and plugin:state stay", function()
    local c, workers, before = session(), s:pids("worker"), words()
    assert.equal("old", (ask(c)))
    write(text "new")
    local code, output = s:command { "reload", "--plugin", "says" }
    assert.is_true(code == 0, output)
    assert.equal("new", (ask(c)))
    for name, word in pairs(words()) do
      assert.equal("new", word)
      assert.equal("old", before[name])
    end
    assert.same(workers, s:pids("worker"))
    c:close()
    assert.is_truthy(s:wait_log("old code of a plugin is gone plugin=says"))
  end)

  it("says what is wrong with broken code, and keeps the old", function()
    write "x x"
    local code, output = s:command { "reload", "--plugin", "says" }
    assert.equal(1, code)
    assert.matches("says%.lua:1: syntax error near 'x'", output)
    assert.matches("the old code stays", output)
    for _, word in pairs(words()) do assert.equal("old", word) end
    code, output = s:command { "reload", "--plugin", "nobody" }
    assert.equal(1, code)
    assert.matches('no plugin "nobody" is loaded; there are [%w_, ]*says', output)
  end)

  it("is for all plugins with --plugins", function()
    write(text "new")
    local code, output = s:command { "reload", "--plugins" }
    assert.is_true(code == 0, output)
    for _, word in pairs(words()) do assert.equal("new", word) end
  end)

  it("does not wait for a worker that dies, and is refused while another reload runs", function()
    local first = s:pids("worker")[1]
    process.kill(first, "STOP")
    local function connect()
      local c = assert(unix.stream())
      assert(c:connect(s.dir .. "/run/control.sock"))
      c:settimeout(10)
      return c
    end
    local one, other = connect(), connect()
    one:send('{"command":"reload","plugin":"says"}\n{"command":"status"}\n')
    assert.is_truthy(dkjson.decode((assert(one:receive("*l")))).version)     -- so the reload has begun
    other:send('{"command":"reload"}\n')
    assert.equal("a reload is under way already", dkjson.decode((assert(other:receive("*l")))).errors)
    process.kill(first, "KILL")
    local answer = dkjson.decode((assert(one:receive("*l"))))
    assert.same({ false, "the worker that tried the new code died\n" }, { answer.ok, answer.errors })
    one:close()
    other:close()
    write(text "new")
    local code, output = s:command { "reload", "--plugins" }
    assert.is_true(code == 0, output)
  end)
end)
