local mail_store = require "spec.support.store"

-- Octets that differ at every place, with 8-bit ones, CRLFs and lines that begin with a dot.
local function text_of(octets)
  local parts, n, i = {}, 0, 0
  while n < octets do
    i = i + 1
    local line = (i % 7 == 0 and "." or "") .. ("line %d \xc3\xa4 %s"):format(i, ("x"):rep(i % 60)) .. "\r\n"
    parts[i] = line
    n = n + #line
  end
  return table.concat(parts):sub(1, octets)
end

describe("a stored message", function()
  local server, client

  setup(function()
    server = mail_store.new()
    client = server:client()
  end)
  teardown(function() server:finish() end)

  local sizes = { 0, 1, 2, 4079, 4080, 4081, 8160, 65279, 65280, 65281, 1 << 20, 20 << 20 }

  for i, octets in ipairs(sizes) do
    it(("comes back octet for octet: %d octets%s"):format(octets, octets > 1 << 20 and " #slow" or ""), function()
      local text, to = text_of(octets), ("size%02d@example.test"):format(i)
      local op = client:wait(client:deliver("a@example.test", { to }, text))
      assert.same({ "OK" }, op.results)
      local drop = assert(client:open(to))
      assert.equal(octets, drop:entries()[1].octets)
      assert.is_true(text == drop:read(1))
      assert.is_true(text == drop:read(1, 1000 + octets // 50))
      drop:close()
    end)
  end

  it("lies in one file when it is large, in the environment when it is not #slow", function()
    local pipe = io.popen(("find %s/blobs -type f | wc -l"):format(server.settings.path))
    assert.equal(3, pipe:read("n"))
    pipe:close()
  end)

  it("keeps whether it has lines that begin with a dot", function()
    client:wait(client:deliver("", { "dots@example.test" }, "a\r\n.b\r\n"))
    client:wait(client:deliver("", { "dots@example.test" }, "a\r\nb.\r\n"))
    local drop = assert(client:open("dots@example.test"))
    local entries = drop:entries()
    assert.is_true(entries[1].dot_lines)
    assert.is_false(entries[2].dot_lines)
    drop:close()
  end)

  it("is the same after a restart #slow", function()
    server:restart()
    for i, octets in ipairs(sizes) do
      assert.is_true(text_of(octets) == mail_store.texts(client, ("size%02d@example.test"):format(i))[1])
    end
    assert.equal("", server:problems())
  end)

  it("is stored once for several recipients and goes with the last of them", function()
    for _, text in ipairs { text_of(30000), text_of(100000) } do
      local to = { "x@example.test", "y@example.test", "z@example.test" }
      local _, before = mail_store.bind.check(server.settings)
      assert.same({ "OK", "OK", "OK" }, client:wait(client:deliver("", to, text)).results)
      local _, after = mail_store.bind.check(server.settings)
      assert.equal(before.messages + 1, after.messages)
      assert.equal(before.rows + 3, after.rows)
      for left = 2, 0, -1 do
        local drop = assert(client:open(to[left + 1]))
        assert.is_true(text == drop:read(1))
        assert.equal("OK", client:wait(drop:commit { 1 }).status)
        drop:close()
        local _, now = mail_store.bind.check(server.settings)
        assert.equal(before.rows + left, now.rows)
        assert.equal(before.messages + (left > 0 and 1 or 0), now.messages)
      end
    end
    assert.equal("", server:problems())
  end)

  it("gives its space back: pages are used again, files go #slow", function()
    for _ = 1, 30 do client:deliver("", { "churn@example.test" }, text_of(60000)) end
    for _ = 1, 5 do client:deliver("", { "churn@example.test" }, text_of(100000)) end
    client:drain()
    local function files()
      local pipe = io.popen(("find %s/blobs -type f | wc -l"):format(server.settings.path))
      local n = pipe:read("n")
      pipe:close()
      return n
    end
    local before = client:wait(client:numbers()).numbers
    assert.is_true(files() >= 8)
    local drop = assert(client:open("churn@example.test"))
    local all = {}
    for i = 1, drop:facts().count do all[i] = i end
    assert.equal("OK", client:wait(drop:commit(all)).status)
    drop:close()
    for _ = 1, 30 do
      client:run(100)
      if files() == 3 then break end
    end
    assert.equal(3, files())
    local after = client:wait(client:numbers()).numbers
    assert.is_true(after.pages_free >= before.pages_free + 400)
    for _ = 1, 20 do client:deliver("", { "churn@example.test" }, text_of(60000)) end
    client:drain()
    local reused = client:wait(client:numbers()).numbers
    assert.is_true(reused.pages_used <= after.pages_used + 40)
    assert.equal("", server:problems())
  end)
end)
