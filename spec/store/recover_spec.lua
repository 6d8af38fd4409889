local mail_store = require "spec.support.store"

describe("the start of the store process", function()
  local server, client

  before_each(function()
    server = mail_store.new()
    client = server:client()
  end)
  after_each(function() server:finish() end)

  local function list(what)
    local pipe = io.popen(("find %s/%s -type f | sort"):format(server.settings.path, what))
    local text = pipe:read("a")
    pipe:close()
    return text
  end

  it("removes files that got their name but never a row", function()
    client:wait(client:deliver("", { "a@example.test" }, ("x"):rep(70000)))
    local good = list("blobs")
    local directory = good:match("^(.*)/[^/]*$")
    server:stop(9)
    os.execute(("touch %s/%s %s/blobs/00000000"):format(directory, good:match("/([^/]*)\n$"):sub(1, 12) .. "ffff",
      server.settings.path))
    assert.are_not_equal(good, list("blobs"))
    server:start()
    client:wait(client:numbers())
    os.execute("rm -f " .. server.settings.path .. "/blobs/00000000")
    assert.equal(good, list("blobs"))
    assert.equal(("x"):rep(70000), mail_store.texts(client, "a@example.test")[1])
  end)

  it("removes what was left in the spool and by a compaction", function()
    server:stop()
    os.execute(("touch %s/spool/incoming.abc %s/mail.mdb.new"):format(server.settings.path, server.settings.path))
    server:start()
    client:wait(client:numbers())
    assert.equal("", list("spool"))
    assert.is_nil(io.open(server.settings.path .. "/mail.mdb.new"))
  end)

  it("never gives a message id twice, however it ended", function()
    local seen, files = {}, 0
    for _, signal in ipairs { 15, 9, 15, 9 } do
      for _ = 1, 3 do
        while client:wait(client:deliver("", { "a@example.test" }, ("x"):rep(70000))).status ~= "OK" do client:run(20) end
      end
      for name in list("blobs"):gmatch("/(%x+)\n") do
        files = files + (seen[name] and 0 or 1)
        seen[name] = true
      end
      local drop = client:open("a@example.test")
      local all = {}
      for i = 1, drop:facts().count do all[i] = i end
      client:wait(drop:commit(all))
      drop:close()
      server:restart(signal)
    end
    assert.equal(12, files)
  end)
end)
