-- The maildrop across processes: one session at a time, deletions at QUIT alone, UIDLs for ever.
local server = require "spec.support.server"
local socket = require "socket"

describe("the maildrop", function()
  local s

  setup(function() s = server.start { config = { workers = 3 } } end)
  teardown(function() s:stop() end)

  local function deliver(text)
    local ok, reply = s:deliver("x@y.example", "bob@example.test", "Subject: " .. text .. "\r\n\r\n" .. text .. "\r\n")
    assert.is_true(ok, reply)
  end

  local function uidls(c)
    local _, body = c:fetch("UIDL")
    local list = {}
    for id in body:gmatch("%d+ (%S+)\r\n") do list[#list + 1] = id end
    return list
  end

  ---Signed in, waiting for the lock of a session that has just ended.
  local function enter()
    local deadline, c, reply = socket.gettime() + 5
    repeat c, reply = s:maildrop("bob@example.test") until c or socket.gettime() > deadline
    return assert(c, reply)
  end

  it("is locked for one of ten sessions at once, whichever worker they meet", function()
    local clients, winners, losers = {}, {}, 0
    for i = 1, 10 do
      clients[i] = s:connect(i % 2 == 0 and "pop3" or "pop3s")
      clients[i]:line()
      clients[i]:ask("USER bob@example.test")
    end
    for _, c in ipairs(clients) do c:send("PASS bob-secret\r\n") end
    for _, c in ipairs(clients) do
      local reply = c:line()
      if reply:find("^%+OK") then
        winners[#winners + 1] = c
      else
        assert.is_truthy(reply:find("^%-ERR %[IN%-USE%]"), reply)
        losers = losers + 1
      end
    end
    assert.same({ 1, 9 }, { #winners, losers })
    assert.is_truthy(winners[1]:ask("QUIT"):find("^%+OK"))
    for _, c in ipairs(clients) do c:close() end
    local c = enter()                             -- the lock is free again
    c:ask("QUIT")
    c:close()
  end)

  it("lets a client that was told [IN-USE] try again on the same connection", function()
    local first = enter()
    local second = s:connect("pop3")
    second:line()
    second:ask("USER bob@example.test")
    assert.is_truthy(second:ask("PASS bob-secret"):find("[IN-USE]", 1, true))
    first:ask("QUIT")
    first:close()
    local reply
    local deadline = socket.gettime() + 5
    repeat
      second:ask("USER bob@example.test")
      reply = second:ask("PASS bob-secret")
    until reply:find("^%+OK") or socket.gettime() > deadline
    assert.is_truthy(reply:find("^%+OK"), reply)
    second:ask("QUIT")
    second:close()
  end)

  it("deletes nothing when the connection drops", function()
    deliver("kept")
    local c = enter()
    local before = uidls(c)
    for i = 1, #before do assert.is_truthy(c:ask("DELE " .. i):find("^%+OK")) end
    c:close()
    c = enter()
    assert.same(before, uidls(c))
    c:ask("QUIT")
    c:close()
  end)

  it("does not show mail that arrives during the session until the next one", function()
    local c = enter()
    local before = uidls(c)
    deliver("late")
    assert.same(before, uidls(c))
    c:ask("QUIT")
    c:close()
    c = enter()
    assert.equal(#before + 1, #uidls(c))
    c:ask("QUIT")
    c:close()
  end)

  it("keeps UIDLs through deletions and restarts, and never uses one again", function()
    deliver("one")
    deliver("two")
    local c = enter()
    local before = uidls(c)
    assert.is_truthy(c:ask("DELE " .. #before):find("^%+OK"))
    local gone = table.remove(before)
    c:ask("QUIT")
    c:close()
    s:restart()
    deliver("three")
    c = enter()
    local after = uidls(c)
    assert.not_equal(gone, after[#after])
    table.remove(after)
    assert.same(before, after)
    c:ask("QUIT")
    c:close()
  end)

  it("counts what is left at the end, as the classic dialogue does", function()
    local c = enter()
    for i = 1, #uidls(c) do c:ask("DELE " .. i) end
    assert.equal("+OK mail.example.test POP3 server signing off (maildrop empty)", c:ask("QUIT"))
    c:close()
    deliver("one")
    deliver("two")
    c = enter()
    assert.equal("+OK mail.example.test POP3 server signing off (2 messages left)", c:ask("QUIT"))
    c:close()
  end)

  it("sends a large message to a client that reads slowly, while others are served", function()
    local text = "Subject: large\r\n\r\n" .. (("0123456789"):rep(9) .. "\r\n"):rep(40000)
    assert.is_true((s:deliver("x@y.example", "alice@example.test", text)))
    local slow = assert(s:maildrop("alice@example.test"))
    slow.raw:setoption("recv-buffer-size", 65536)
    slow:send("RETR 1\r\n")
    local quick = enter()
    assert.is_truthy(quick:ask("STAT"):find("^%+OK"))
    quick:ask("QUIT")
    quick:close()
    assert.is_truthy(slow:line():find("^%+OK"))
    local body = slow:body()
    assert.is_true(body:sub(-#text) == text, "the octets differ")
    slow:ask("QUIT")
    slow:close()
  end)

  it("sends large messages octet by octet the same, in clear, over TLS and one behind the other", function()
    local line = (("0123456789"):rep(9) .. "\r\n")
    local plain = "Subject: plain\r\n\r\n" .. line:rep(55000)
    local dots = "Subject: dots\r\n\r\n" .. line:rep(30000) .. ".\r\n..\r\n" .. line:rep(3000)
    for _, text in ipairs { plain, dots } do
      assert.is_true((s:deliver("x@y.example", "alice@example.test", text)))
    end
    for _, service in ipairs { "pop3", "pop3s" } do
      local c = assert(s:maildrop("alice@example.test", nil, service))
      local n = tonumber(c:ask("STAT"):match("%d+"))
      c:send(("RETR %d\r\nRETR %d\r\nRETR %d\r\nTOP %d 0\r\nNOOP\r\n"):format(n - 1, n - 1, n, n - 1))
      for _, text in ipairs { plain, plain, dots } do
        local octets = tonumber(c:line():match("^%+OK (%d+)"))
        local body = c:body()
        assert.is_true(body:sub(-#text) == text, "the octets differ")
        assert.equal(octets, #body)
      end
      assert.is_truthy(c:line():find("^%+OK"))
      assert.is_truthy(c:body():find("Subject: plain\r\n\r\n$"))
      assert.is_truthy(c:line():find("^%+OK"))
      assert.is_truthy(c:ask("DELE 1"):find("^%+OK"))
      c:ask("RSET")
      c:ask("QUIT")
      c:close()
    end
  end)

  it("ends without the final dot when the file of a message is cut off amid RETR", function()
    local text = "Subject: cut\r\n\r\n" .. (("0123456789"):rep(9) .. "\r\n"):rep(220000)
    assert.is_true((s:deliver("x@y.example", "alice@example.test", text)))
    local c = assert(s:maildrop("alice@example.test"))
    local n = tonumber(c:ask("STAT"):match("%d+"))
    c.raw:setoption("recv-buffer-size", 65536)
    c:send(("RETR %d\r\nNOOP\r\n"):format(n))
    assert.is_truthy(c:line():find("^%+OK"))
    assert(os.execute("find " .. s.dir .. " -path '*/blobs/*' -type f -size +19000k -exec truncate -s 12000000 {} +"))
    local octets, last = 0, ""
    while true do
      local part, problem = c:receive()
      if not part then
        assert.equal("closed", problem)
        break
      end
      octets, last = octets + #part, part
    end
    assert.is_true(octets <= 12000000, octets)
    assert.not_matches("\r\n%.\r\n", last:sub(-200))
    assert.is_truthy(s:wait_log("message cannot be read"))
    c:close()
  end)
end)
