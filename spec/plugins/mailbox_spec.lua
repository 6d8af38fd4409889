-- What every mailbox backend promises, asked of the bundled ones and of a small one that waits at
-- every step.
local script = require "spec.support.script"

local FIRST = "Subject: one\r\n\r\nfirst\r\n"
local SECOND = "Subject: two\r\n\r\n.second\r\n..\r\n"

local SLOW = [[
  local boxes = {}
  local function box_of(name) boxes[name] = boxes[name] or { next = 1, list = {} } return boxes[name] end
  plugin:hook("mailbox", {
    open = function(_, name) mail.sleep(0.001) return { box = box_of(name) } end,
    list = function(view)
      mail.sleep(0.001)
      view.seen = {}
      local entries = {}
      for i, m in ipairs(view.box.list) do
        view.seen[m.uid] = m.octets
        entries[i] = { uid = m.uid, size = #m.octets }
      end
      return entries
    end,
    read = function(view, uid, offset, max) mail.sleep(0.001) return view.seen[uid]:sub(offset + 1, offset + max) end,
    delete = function(view, uids)
      mail.sleep(0.001)
      for _, uid in ipairs(uids) do
        for i, m in ipairs(view.box.list) do if m.uid == uid then table.remove(view.box.list, i) break end end
      end
      return true
    end,
    close = function() mail.sleep(0.001) end,
    append = function(name, message)
      mail.sleep(0.001)
      local box = box_of(name)
      box.list[#box.list + 1] = { uid = "m" .. box.next, octets = message:read(0, message.octets) }
      box.next = box.next + 1
      return true
    end,
  })
]]

local backends = {
  mailbox_memory = { list = '{ "mailbox_memory", options = { domains = { "example.test" } } }' },
  mailbox_maildir = { list = '{ "mailbox_maildir", options = { path = "maildirs", domains = { "example.test" } } }' },
  ["a backend that waits at every step"] = { text = SLOW },
}

for name, setup in pairs(backends) do
  describe(name, function()
    local stage, session

    before_each(function()
      stage = setup.text and script.plugin(setup.text) or script.new { list = setup.list }
      session = stage:session { service = "pop3", user = "alice@example.test" }
    end)

    after_each(function()
      session:close()
      script.clean()
    end)

    local function deliver(text, spool)
      return script.deliver(stage, session, { "alice@example.test" }, text, spool)
    end

    local function open()
      local drop, status = script.open(stage, session, "alice@example.test")
      assert.equal("OK", status)
      return drop
    end

    local function close(drop)
      drop:close()
      stage:spin(30)
    end

    it("opens an empty maildrop for a new user", function()
      local drop = open()
      assert.same({}, drop:list())
      close(drop)
    end)

    it("gives back what was delivered, octet for octet, in pieces of any size", function()
      assert.same({ "OK" }, deliver(FIRST))
      assert.same({ "OK" }, deliver(SECOND))
      local drop = open()
      local list = drop:list()
      assert.equal(2, #list)
      assert.equal(#FIRST, list[1].octets)
      assert.equal(#SECOND, list[2].octets)
      assert.equal(FIRST, script.fetch(stage, drop, 1))
      assert.equal(SECOND, script.fetch(stage, drop, 2, 7))
      close(drop)
    end)

    it("keeps UIDLs from session to session", function()
      deliver(FIRST)
      deliver(SECOND)
      local drop = open()
      local before = drop:list()
      assert.is_true(before[1].uidl ~= before[2].uidl)
      close(drop)
      drop = open()
      assert.same(before, drop:list())
      assert.equal("OK", script.commit(stage, drop, { 1 }))
      close(drop)
      deliver(FIRST)
      drop = open()
      local after = drop:list()
      assert.equal(before[2].uidl, after[1].uidl)
      assert.is_true(after[2].uidl ~= before[1].uidl)
      close(drop)
    end)

    it("deletes what is committed and nothing else", function()
      deliver(FIRST)
      deliver(SECOND)
      deliver(FIRST)
      local drop = open()
      assert.equal("OK", script.commit(stage, drop, { 1, 3 }))
      close(drop)
      drop = open()
      assert.equal(1, #drop:list())
      assert.equal(SECOND, script.fetch(stage, drop, 1))
      close(drop)
    end)

    it("deletes nothing when a session only closes", function()
      deliver(FIRST)
      close(open())
      local drop = open()
      assert.equal(1, #drop:list())
      close(drop)
    end)

    it("shows mail that arrives during a session in the next one", function()
      deliver(FIRST)
      local drop = open()
      deliver(SECOND)
      assert.equal(1, #drop:list())
      assert.equal(FIRST, script.fetch(stage, drop, 1))
      assert.equal("OK", script.commit(stage, drop, { 1 }))
      close(drop)
      drop = open()
      assert.equal(1, #drop:list())
      assert.equal(SECOND, script.fetch(stage, drop, 1))
      close(drop)
    end)

    it("is locked by a session until that has closed", function()
      local drop = open()
      local other, status = script.open(stage, session, "alice@example.test")
      assert.equal("BUSY", status)
      other:close()
      close(drop)
      close(open())
    end)

    it("is unlocked when the session closes while it opens", function()
      local drop = stage:open(session, "alice@example.test")
      drop:close()
      stage:spin(30)
      close(open())
    end)

    it("takes messages that are spooled in a file", function()
      local text = "Subject: long\r\n\r\n" .. ("0123456789abcdef\r\n"):rep(6000)
      assert.same({ "OK" }, deliver(text, script.last_folder))
      local drop = open()
      assert.is_true(text == script.fetch(stage, drop, 1))
      close(drop)
    end)

    if not setup.text then
      it("leaves mailboxes of other domains to the store", function()
        local results = script.deliver(stage, session, { "x@else.test", "alice@example.test" }, FIRST)
        assert.same({ "OK", "OK" }, results)
        assert.equal(1, stage:numbers().fallback_deliveries)
        local drop, status = script.open(stage, session, "x@else.test")
        assert.equal("UNSUPPORTED", status)
        assert.equal(1, stage:numbers().fallback_opens)
        drop:close()
      end)
    end
  end)
end

describe("mailbox_memory", function()
  after_each(script.clean)

  it("says quota when a mailbox is full", function()
    local stage = script.new { list = '{ "mailbox_memory", options = { quota_octets = 30 } }' }
    local session = stage:session()
    assert.same({ "OK" }, script.deliver(stage, session, { "a@example.test" }, FIRST))
    assert.same({ "QUOTA" }, script.deliver(stage, session, { "a@example.test" }, FIRST))
    session:close()
  end)
end)

describe("mailbox_maildir", function()
  local stage, session, folder

  local function start()
    stage = script.new { folder = folder,
      list = '{ "mailbox_maildir", options = { path = "maildirs" } }' }
    session = stage:session { service = "pop3" }
    folder = script.last_folder
    return folder .. "/maildirs/example.test/alice"
  end

  after_each(function()
    session:close()
    script.clean()
    folder = nil
  end)

  local function names(path)
    local list, pipe = {}, assert(io.popen(("ls -A '%s'"):format(path)))
    for line in pipe:lines() do list[#list + 1] = line end
    pipe:close()
    return list
  end

  local function open()
    local drop, status = script.open(stage, session, "alice@example.test")
    assert.equal("OK", status)
    return drop
  end

  it("delivers into new, with nothing left in tmp, under a name that tells the size", function()
    local box = start()
    script.deliver(stage, session, { "alice@example.test" }, FIRST)
    assert.same({}, names(box .. "/tmp"))
    local new = names(box .. "/new")
    assert.equal(1, #new)
    assert.matches("^%d+%.M%d+R%w+Q%d+%.mail%.example%.test,S=" .. #FIRST .. ",W=" .. #FIRST .. "$", new[1])
    assert.equal(FIRST, script.read(box .. "/new/" .. new[1]))
  end)

  it("keeps the UIDL when another program reads the message", function()
    local box = start()
    script.deliver(stage, session, { "alice@example.test" }, FIRST)
    local drop = open()
    local uidl = drop:list()[1].uidl
    local name = names(box .. "/new")[1]
    os.rename(box .. "/new/" .. name, box .. "/cur/" .. name .. ":2,S")
    assert.equal(FIRST, script.fetch(stage, drop, 1))       -- although it has moved
    drop:close()
    stage:spin(30)
    drop = open()
    assert.equal(uidl, drop:list()[1].uidl)
    assert.equal("OK", script.commit(stage, drop, { 1 }))
    assert.same({}, names(box .. "/cur"))
    drop:close()
  end)

  it("sends what other programs delivered with LF as CRLF, and counts it so", function()
    local box = start()
    open():close()
    stage:spin(30)
    script.write(box .. "/new/1700000000.1_2.other", "Subject: x\n\nline\n")
    local drop = open()
    local sent = "Subject: x\r\n\r\nline\r\n"
    assert.equal(#sent, drop:list()[1].octets)
    assert.equal(sent, script.fetch(stage, drop, 1, 3))
    assert.equal("1700000000.1_2.other", drop:list()[1].uidl)
    drop:close()
  end)

  it("lists messages in the order of their arrival, to the microsecond", function()
    local box = start()
    open():close()
    stage:spin(30)
    local order = { "1700000000.M9RzQ1.h", "1700000000.M80RaQ2.h", "1700000000.M80RaQ10.h", "1700000001.M1P5.h", "another" }
    for i = #order, 1, -1 do script.write(box .. "/new/" .. order[i], "n: " .. i .. "\r\n\r\n") end
    script.write(box .. "/new/:2,S", FIRST)               -- no name of a message
    local drop = open()
    for i, uid in ipairs(order) do assert.equal(uid, drop:list()[i].uidl) end
    assert.equal(#order, #drop:list())
    drop:close()
  end)

  it("finishes a deletion that a crash interrupted", function()
    local box = start()
    open():close()
    stage:spin(30)
    script.write(box .. "/new/1.a.h", FIRST)
    script.write(box .. "/cur/2.b.h:2,S", FIRST)
    script.write(box .. "/cur/3.c.h:2,S", SECOND)
    script.write(box .. "/moonpost.deleting", "1.a.h\n2.b.h\n")
    local drop = open()
    assert.equal(1, #drop:list())
    assert.equal("3.c.h", drop:list()[1].uidl)
    assert.is_nil(script.read(box .. "/moonpost.deleting"))
    drop:close()
  end)

  it("keeps names inside its folder", function()
    start()
    script.deliver(stage, session, { "../../x@example.test", "a/b@../y.test" }, FIRST)
    local list = names(folder .. "/maildirs")
    table.sort(list)
    assert.same({ "%2e.%2fy.test", "example.test" }, list)
    assert.same({ "%2e.%2f..%2fx" }, names(folder .. "/maildirs/example.test"))
  end)

  it("is a temporary failure where it cannot write", function()
    start()
    os.execute(("rm -rf '%s/maildirs'; touch '%s/maildirs'"):format(folder, folder))
    assert.same({ "TEMPFAIL" }, script.deliver(stage, session, { "alice@example.test" }, FIRST))
    local drop, status = script.open(stage, session, "alice@example.test")
    assert.equal("TEMPFAIL", status)
    drop:close()
  end)

  it("keeps a second process out while a session has the mailbox", function()
    start()
    local drop = open()
    local other = assert(script.bind.new(folder .. "/moonpost.lua"))
    local session2 = other:session { service = "pop3" }
    local drop2, status = script.open(other, session2, "alice@example.test")
    assert.equal("BUSY", status)
    drop2:close()
    drop:close()
    stage:spin(30)
    drop2, status = script.open(other, session2, "alice@example.test")
    assert.equal("OK", status)
    drop2:close()
    other:spin(30)
    session2:close()
    other:close()
  end)
end)
