-- Bringing mail from other systems, with their UIDLs, and back out.
local server = require "spec.support.server"
local tree = require "spec.support.tree"
local lfs = require "lfs"

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function maildir(path)
  for _, part in ipairs { "", "/cur", "/new", "/tmp" } do assert(lfs.mkdir(path .. part)) end
end

local function letter(number)
  return "Subject: number " .. number .. "\n\nline one\n.dot\n"
end

describe("moonpost mailbox import", function()
  local s

  before_each(function() s = server.start() end)
  after_each(function() s:stop() end)

  ---UIDLs and texts as POP3 shows them.
  local function fetch(user)
    local m = assert(s:maildrop(user or "bob@example.test"))
    local _, body = m:fetch("UIDL")
    local uidls, texts = {}, {}
    for uidl in body:gmatch("%d+ ([^\r\n]+)") do uidls[#uidls + 1] = uidl end
    for i = 1, #uidls do texts[i] = select(2, m:fetch("RETR " .. i)) end
    m:ask("QUIT")
    m:close()
    return uidls, texts
  end

  it("keeps order and UIDLs of Dovecot's Maildir", function()
    local dir = s.dir .. "/maildir"
    maildir(dir)
    write(dir .. "/cur/1700000003.c.host:2,S", letter(1))
    write(dir .. "/cur/1700000001.a.host:2,", letter(2))
    write(dir .. "/new/1700000002.b.host", letter(3))
    write(dir .. "/dovecot-uidlist", "3 V1500000000 N9 G00112233445566778899aabbccddeeff\n" ..
      "4 :1700000003.c.host:2,S\n7 Pold-uidl-7 W120 :1700000001.a.host\n")
    local code, output = s:command { "mailbox", "import", "bob@example.test", dir }
    assert.equal(0, code, output)
    assert.is_truthy(output:find("3 messages added", 1, true), output)
    local uidls, texts = fetch()
    assert.same({ ("%08x%08x"):format(4, 1500000000), "old-uidl-7" }, { uidls[1], uidls[2] })
    assert.equal(3, #uidls)
    for i, text in ipairs(texts) do assert.equal((letter(i):gsub("\n", "\r\n")), text) end
  end)

  it("may be repeated: what is there already is left out", function()
    local dir = s.dir .. "/maildir"
    maildir(dir)
    write(dir .. "/cur/1700000001.a.host:2,", letter(1))
    write(dir .. "/dovecot-uidlist", "3 V1500000000 N9 Gx\n1 :1700000001.a.host\n")
    assert.equal(0, (s:command { "mailbox", "import", "bob@example.test", dir }))
    write(dir .. "/cur/1700000002.b.host:2,", letter(2))
    write(dir .. "/dovecot-uidlist", "3 V1500000000 N9 Gx\n1 :1700000001.a.host\n2 :1700000002.b.host\n")
    local code, output = s:command { "mailbox", "import", "bob@example.test", dir }
    assert.equal(0, code, output)
    assert.is_truthy(output:find("1 messages added to bob@example.test, 1 were there already", 1, true), output)
    assert.equal(2, #fetch())
  end)

  it("may be repeated where the old server left no list: the file's name is the UIDL", function()
    local dir = s.dir .. "/maildir"
    maildir(dir)
    local long = "1700000002." .. ("x"):rep(80)
    write(dir .. "/new/1700000001.a.host", letter(1))
    write(dir .. "/cur/" .. long .. ":2,S", letter(2))
    for _ = 1, 2 do assert.equal(0, (s:command { "mailbox", "import", "bob@example.test", dir })) end
    local uidls = fetch()
    assert.equal(2, #uidls)
    assert.equal("1700000001.a.host", uidls[1])
    assert.matches("^%x+$", uidls[2])
  end)

  it("keeps the order of large and small messages", function()
    local dir = s.dir .. "/maildir"
    maildir(dir)
    for i = 1, 6 do
      write(("%s/cur/170000000%d.a:2,"):format(dir, i), letter(i) .. (i % 2 == 1 and ("x\n"):rep(200000) or ""))
    end
    assert.equal(0, (s:command { "mailbox", "import", "bob@example.test", dir }))
    local uidls = fetch()
    for i = 1, 6 do assert.equal(("170000000%d.a"):format(i), uidls[i]) end
  end)

  it("keeps UIDLs of Courier", function()
    local dir = s.dir .. "/maildir"
    maildir(dir)
    write(dir .. "/cur/1700000001.a.host,S=20:2,S", letter(1))
    write(dir .. "/cur/1700000002.b.host,S=20:2,S", letter(2))
    write(dir .. "/courierpop3dsizelist", "/2 9 1400000000\n1700000001.a.host,S=20:2,S 22 5:1400000000\n" ..
      "1700000002.b.host,S=20:2,S 22 0:0\n")
    assert.equal(0, (s:command { "mailbox", "import", "bob@example.test", dir }))
    local uidls = fetch()
    table.sort(uidls)
    assert.same({ "1700000002.b.host,S=20", "UID5-1400000000" }, uidls)
  end)

  it("reads mbox with X-UIDL and quoted From lines", function()
    write(s.dir .. "/box", "From a@b.example Sat Nov 21 20:15:09 2026\nX-UIDL: first-one\nSubject: 1\n\n" ..
      ">From here\n>>From there\n\nFrom a@b.example Sat Nov 21 20:16:09 2026\nSubject: 2\n\nFrom inside\n\n\nlast\n")
    local code, output = s:command { "mailbox", "import", "bob@example.test", s.dir .. "/box" }
    assert.equal(0, code, output)
    local uidls, texts = fetch()
    assert.equal("first-one", uidls[1])
    assert.equal("Subject: 1\r\n\r\nFrom here\r\n>From there\r\n", texts[1])
    assert.is_truthy(texts[2]:find("\r\n\r\n\r\nlast\r\n$") or texts[2]:find("Subject: 2", 1, true), texts[2])
  end)

  it("says what is neither", function()
    write(s.dir .. "/letter", "Subject: x\n\nx\n")
    local code, output = s:command { "mailbox", "import", "bob@example.test", s.dir .. "/letter" }
    assert.equal(64, code)
    assert.is_truthy(output:find("neither a Maildir", 1, true), output)
  end)

  it("brings back what export wrote, UIDLs and octets the same", function()
    for i = 1, 3 do
      assert.is_true((s:deliver("x@y.example", "alice@example.test",
        "Subject: " .. i .. "\r\n\r\nFrom me\r\n>From you\r\n.\r\n..\r\n\r\n")))
    end
    -- a header alone, no body, nothing at all, somebody else's UIDL
    for _, text in ipairs { "Subject: x\r\n", "Subject: x\r\n\r\n", "X-UIDL: other\r\nSubject: x\r\n\r\nx\r\n",
      "Subject: x\r\n\r\n\r\n\r\n", "From here\r\n" } do
      assert.is_true((s:deliver("x@y.example", "alice@example.test", text)))
    end
    local uidls, texts = fetch("alice@example.test")
    for format, to in pairs { maildir = s.dir .. "/out", mbox = s.dir .. "/out.mbox" } do
      local code, output = s:command { "mailbox", "export", "alice", to, "--format", format }
      assert.equal(0, code, output)
      local user = format .. "@example.test"
      assert.equal(0, (s:command({ "user", "add", user }, "x-secret\n")))
      s.users[user] = "x-secret"
      code, output = s:command { "mailbox", "import", user, to }
      assert.equal(0, code, output)
      local uidls2, texts2 = fetch(user)
      assert.same(uidls, uidls2)
      assert.same(texts, texts2)
      code = s:command { "mailbox", "export", "alice", to, "--format", format }
      assert.equal(1, code, "an export does not write over anything")
    end
    assert.is_true(tree.exists(s.dir .. "/out/dovecot-uidlist"))
  end)
end)
