local kit = require "spec.net.kit"
local net = kit.net

local MEGABYTES = 10

describe("stream", function()
  local one, other, peer

  before_each(function()
    one, other = kit.tcp_pair()
    peer = nil
  end)

  after_each(function()
    if peer then peer.stream:free() else net.close(one) end
    if other then net.close(other) end
  end)

  local function eventually(condition)
    kit.eventually(condition)
  end

  describe("reading", function()
    it("gives the octets as they come", function()
      peer = kit.peer(one)
      net.send(other, "EHLO x\r\n")
      eventually(function() return peer.text() == "EHLO x\r\n" end)
      net.send(other, "QUIT\r\n")
      eventually(function() return peer.text() == "EHLO x\r\nQUIT\r\n" end)
    end)

    it("gives single octets one by one", function()
      peer = kit.peer(one)
      local text = "EHLO client.example.test\r\n"
      for octet in text:gmatch(".") do
        net.send(other, octet)
        local count = #peer.got
        eventually(function() return #peer.got > count end)
      end
      assert.equal(text, peer.text())
      assert.equal(#text, #peer.got)
    end)

    it("keeps what the owner does not consume, in front of what follows", function()
      local seen = {}
      peer = kit.peer(one, { readable = function(s) seen[#seen + 1] = s:input() end })
      net.send(other, "EHL")
      eventually(function() return seen[1] == "EHL" end)
      net.send(other, "O x")
      eventually(function() return seen[2] == "EHLO x" end)
      assert.equal("EHLO", peer.stream:take(4))
      net.send(other, "\r\n")
      eventually(function() return seen[3] == " x\r\n" end)
    end)

    it("keeps much that is not consumed, too", function()
      peer = kit.peer(one, { readable = function() end })
      local part = ("0123456789"):rep(1000)
      for i = 1, 6 do
        net.send(other, part)
        eventually(function() return #peer.stream:input() == i * #part end)
      end
      assert.equal(part:rep(6), peer.stream:input())
    end)

    it("stops at its ceiling of 64 KiB and goes on when told after consuming", function()
      peer = kit.peer(one, { readable = function() end })
      local sent = 0
      for _ = 1, 20 do sent = sent + assert(net.send(other, ("x"):rep(10000))) end
      eventually(function() return #peer.stream:input() == 65536 end)
      local cpu = os.clock()
      net.run(50)
      assert.is_true(os.clock() - cpu < 0.015, "it does not spin")
      assert.equal(65536, #peer.stream:input())
      local total = 0
      while total < sent do
        local taken = #peer.stream:take()
        total = total + taken
        peer.stream:read(true)
        if total < sent then eventually(function() return #peer.stream:input() > 0 end) end
      end
      assert.equal(sent, total)
    end)

    it("rests while it is off and goes on when it is on", function()
      peer = kit.peer(one)
      peer.stream:read(false)
      net.send(other, "a")
      local cpu = os.clock()
      net.run(60)
      assert.is_true(os.clock() - cpu < 0.015, "it does not spin")
      assert.equal("", peer.text())
      net.send(other, "b")
      peer.stream:read(true)
      eventually(function() return peer.text() == "ab" end)
    end)

    it("may be turned off and on inside its own event", function()
      peer = kit.peer(one, {
        readable = function(s)
          s:read(false)
          peer.got[#peer.got + 1] = s:take()
          s:read(true)
        end,
      })
      for _ = 1, 5 do
        local count = #peer.got
        net.send(other, "x")
        eventually(function() return #peer.got > count end)
      end
    end)
  end)

  describe("memory", function()
    it("is none while a stream is idle", function()
      peer = kit.peer(one)
      assert.same({ 0, 0 }, { peer.stream:memory() })
      net.send(other, ("x"):rep(30000))
      eventually(function() return #peer.text() == 30000 end)
      peer.stream:write(("y"):rep(30000))
      net.run(5)
      assert.same({ 0, 0 }, { peer.stream:memory() })
    end)

    it("of input left over is about its size", function()
      peer = kit.peer(one, { readable = function(s) s:take(29990) end })
      net.send(other, ("x"):rep(30000))
      eventually(function() return #peer.stream:input() > 0 end)
      net.run(5)
      assert.is_true((peer.stream:memory()) <= 16384)
      assert.equal("xxxxxxxxxx", peer.stream:take():sub(-10))
    end)
  end)

  describe("writing", function()
    it("puts out at once what was appended, and no event comes from inside", function()
      peer = kit.peer(one)
      peer.stream:append("250-a\r\n")
      peer.stream:append("250 b\r\n")
      assert.is_nil(net.recv(other))
      peer.stream:flush(true)
      assert.equal("250-a\r\n250 b\r\n", net.recv(other))
      assert.equal(0, peer.drained)
      eventually(function() return peer.drained == 1 end)
      net.run(5)
      assert.equal(1, peer.drained)
    end)

    it("does not tell that all was written at once unless asked", function()
      peer = kit.peer(one)
      peer.stream:write("x")
      net.run(10)
      assert.equal(0, peer.drained)
    end)

    it("waits for the socket and tells when all is written", function()
      peer = kit.peer(one)
      local text = ("0123456789abcdef"):rep(MEGABYTES * 65536)
      peer.stream:write(text)
      assert.is_true(peer.stream:unwritten() > 0)
      net.run(20)
      assert.equal(0, peer.drained)
      local parts, count = {}, 0
      eventually(function()
        local part = net.recv(other)
        if part then
          parts[#parts + 1] = part
          count = count + #part
        end
        return count == #text and peer.drained == 1
      end)
      assert.is_true(table.concat(parts) == text)
      assert.same({ 0, 0 }, { peer.stream:memory() })
    end)

    it("can be fed block by block from drained()", function()
      local blocks = 200
      local sent = 0
      peer = kit.peer(one, {
        drained = function(s)
          if sent < blocks then
            sent = sent + 1
            s:append((string.char(sent % 256)):rep(65536))
            s:flush(true)
          end
        end,
      })
      peer.stream:flush(true)
      local count = 0
      eventually(function()
        local part = net.recv(other)
        count = count + (part and #part or 0)
        return count == blocks * 65536
      end)
    end)
  end)

  describe("a file", function()
    local directory, path
    local text = ("0123456789abcdef"):rep(MEGABYTES * 65536)

    setup(function()
      directory = kit.directory()
      path = kit.write(directory .. "/file", text)
    end)
    teardown(function() kit.remove(directory) end)

    it("is sent as far as the socket takes it, and then when it takes more", function()
      local at, calls, short = 0, 0, 0
      local function send(s)
        while at < #text do
          local asked = math.min(262144, #text - at)
          local n = s:send_file(path, at, asked)
          assert(n >= 0)
          at, calls, short = at + n, calls + 1, short + (n < asked and 1 or 0)
          if n < asked then return end
        end
      end
      peer = kit.peer(one, { drained = send })
      send(peer.stream)
      assert.is_false(peer.stream:written())
      local before = calls
      assert.equal(0, peer.stream:send_file(path, at, 1000), "the socket is full")
      peer.stream:flush(true)
      local cpu = os.clock()
      net.run(60)
      assert.is_true(os.clock() - cpu < 0.015, "it does not spin")
      assert.equal(before, calls)
      local parts, count = {}, 0
      eventually(function()
        local part = net.recv(other)
        if part then
          parts[#parts + 1] = part
          count = count + #part
        end
        return count == #text
      end)
      assert.is_true(table.concat(parts) == text)
      assert.is_true(short >= 1)
      assert.same({ 0, 0 }, { peer.stream:memory() })
    end)

    it("goes behind what was written, and what is written goes behind it", function()
      peer = kit.peer(one)
      peer.stream:write("head ")
      assert.equal(10, peer.stream:send_file(path, 3, 10))
      peer.stream:write(" tail")
      assert.equal("head 3456789abc tail", net.recv(other))
    end)

    it("waits for output that is not written", function()
      peer = kit.peer(one)
      peer.stream:append("head")
      assert.equal(0, peer.stream:send_file(path, 0, 10))
      assert.is_nil(net.recv(other))
    end)

    it("that is too short or none fails alone, not the connection", function()
      peer = kit.peer(one)
      assert.is_true(peer.stream:send_file(path, #text, 10) < 0)
      assert.is_true(peer.stream:send_file(directory, 0, 10) < 0)
      assert.is_true(peer.stream:send_file(directory .. "/none", 0, 10) < 0)
      assert.equal(4, peer.stream:send_file(path, #text - 4, 10))
      eventually(function() return peer.stream:written() end)
      peer.stream:write("on")
      assert.equal("cdefon", net.recv(other))
      assert.is_nil(peer.closed)
    end)

    it("to a peer that is gone ends the connection", function()
      peer = kit.peer(one)
      peer.stream:read(false)
      net.reset(other)
      other = nil
      net.run(5)
      assert.equal(0, peer.stream:send_file(path, 0, 10))
      eventually(function() return peer.closed end)
      assert.matches("^writing to the peer: ", peer.error)
    end)

    it("half-closes behind it", function()
      peer = kit.peer(one)
      local n, most = 0, 64 * 1024 * 1024        -- no socket takes more without a reader
      while peer.stream:written() and n < most do n = n + peer.stream:send_file(path, 0, 262144) end
      assert.is_true(n < most)
      peer.stream:shutdown()
      local count, ended = 0, false
      eventually(function()
        local part = net.recv(other)
        if part == "" then ended = true end
        count = count + (part and #part or 0)
        return ended
      end)
      assert.equal(n, count)
    end)
  end)

  it("moves 10 MB both ways at once", function()
    local text = ("0123456789abcdef"):rep(MEGABYTES * 65536)
    local a = kit.peer(one)
    local b = kit.peer(other)
    peer, other = a, nil
    a.stream:write(text)
    b.stream:write(text)
    local function size(p)
      local n = 0
      for _, part in ipairs(p.got) do n = n + #part end
      return n
    end
    eventually(function() return size(a) == #text and size(b) == #text end)
    assert.is_true(a.text() == text and b.text() == text)
    b.stream:free()
  end)

  describe("the end", function()
    it("of the peer comes after its last octets", function()
      peer = kit.peer(one)
      net.send(other, "QUIT\r\n")
      net.end_output(other)
      eventually(function() return peer.closed end)
      assert.equal("QUIT\r\n", peer.text())
      assert.equal("CLOSED", peer.closed)
      assert.equal("", peer.error)
    end)

    it("of the peer's output waits until ours is written", function()
      peer = kit.peer(one)
      local text = ("x"):rep(8 * 1024 * 1024)
      net.send(other, "RETR 1\r\n")
      net.end_output(other)
      peer.stream:write(text)
      net.run(30)
      assert.is_nil(peer.closed)
      local count = 0
      eventually(function()
        local part = net.recv(other)
        count = count + (part and #part or 0)
        return peer.closed
      end)
      net.run(5)
      while true do
        local part = net.recv(other)
        if not part or part == "" then break end
        count = count + #part
      end
      assert.equal(#text, count)
      assert.equal("CLOSED", peer.closed)
    end)

    it("by a reset is an error in words", function()
      peer = kit.peer(one)
      net.reset(other)
      other = nil
      eventually(function() return peer.closed end)
      assert.equal("IO", peer.closed)
      assert.equal("reading from the peer: Connection reset by peer", peer.error)
    end)

    it("is no reason to spin while ours is not written", function()
      peer = kit.peer(one)
      net.end_output(other)
      peer.stream:write(("x"):rep(8 * 1024 * 1024))
      local cpu = os.clock()
      net.run(60)
      assert.is_true(os.clock() - cpu < 0.015)
      assert.is_nil(peer.closed)
    end)

    it("is seen by writing, but told from the loop", function()
      peer = kit.peer(one)
      peer.stream:read(false)
      net.reset(other)
      other = nil
      net.run(5)
      peer.stream:write("x")
      peer.stream:write("y")
      assert.is_nil(peer.closed)
      eventually(function() return peer.closed end)
      assert.equal("IO", peer.closed)
      assert.matches("^writing to the peer: ", peer.error)
    end)

    it("is told once and nothing follows", function()
      local count = 0
      peer = kit.peer(one, { closed = function() count = count + 1 end })
      net.end_output(other)
      eventually(function() return count == 1 end)
      peer.stream:write("x")
      peer.stream:flush(true)
      peer.stream:read(true)
      peer.stream:shutdown()
      net.run(20)
      assert.equal(1, count)
      assert.equal(0, peer.drained)
    end)

    it("half-closes after the output, drops what still comes, and waits for the peer", function()
      peer = kit.peer(one)
      local text = ("x"):rep(4 * 1024 * 1024)
      peer.stream:write(text)
      peer.stream:shutdown()
      local count, ended = 0, false
      eventually(function()
        local part = net.recv(other)
        if part == "" then ended = true end
        count = count + (part and #part or 0)
        return ended
      end)
      assert.equal(#text, count)
      assert.is_nil(peer.closed)
      net.send(other, ("late"):rep(5000))
      net.run(10)
      assert.is_nil(peer.closed)
      assert.equal("", peer.text())
      net.close(other)
      other = nil
      eventually(function() return peer.closed end)
      assert.equal("CLOSED", peer.closed)
    end)

    it("half-closes even if the peer did so first", function()
      peer = kit.peer(one, {
        readable = function(s)
          s:take()
          s:write("bye")
          s:shutdown()
        end,
      })
      net.send(other, "QUIT\r\n")
      net.end_output(other)
      eventually(function() return peer.closed end)
      assert.equal("bye", net.recv(other))
      assert.equal("", net.recv(other))
    end)
  end)

  describe("freeing", function()
    for _, event in ipairs { "readable", "drained", "closed" } do
      it("inside " .. event .. "() is allowed", function()
        local freed
        peer = nil
        local p = kit.peer(one, {
          [event] = function(s)
            s:free()
            freed = true
          end,
        })
        net.send(other, "x")
        if event == "closed" then net.end_output(other) end
        p.stream:flush(event == "drained")
        eventually(function() return freed end)
        net.run(5)
        one = assert(net.listen("127.0.0.1:0"))          -- for after_each to close
      end)
    end

    it("drops what was not written", function()
      local p = kit.peer(one)
      p.stream:write(("x"):rep(20 * 1024 * 1024))
      p.stream:free()
      net.run(5)
      one = assert(net.listen("127.0.0.1:0"))
    end)
  end)

  it("works on other sockets than TCP", function()
    local a, b = net.pair()
    local p = kit.peer(a)
    net.send(b, "x")
    eventually(function() return p.text() == "x" end)
    p.stream:free()
    assert.equal("", net.recv(b))
    net.close(b)
  end)
end)
