local store = require "spec.support.bind" ("store")

describe("dictionaries in memory", function()
  local function set(memory, key, value, more)
    local q = { op = "set", key = key, value = value or 1 }
    for k, v in pairs(more or {}) do q[k] = v end
    return (memory:run(q, q.now or 1))
  end
  local function get(memory, key, owner)
    return select(2, memory:run({ op = "get", key = key, owner = owner }, 1)).value
  end
  local function keys(memory, q)
    q.op = "list"
    local _, answer = memory:run(q, q.now or 1)
    return answer.keys, answer.more
  end

  it("behave like a table with sorted keys, whatever is done to them", function()
    local memory, model = store.dict_memory { max_entries = 1 << 20, max_octets = 1 << 30, max_plugin_octets = 1 << 30 }, {}
    math.randomseed(11)
    for _ = 1, 20000 do
      local key = ("%x"):format(math.random(0, 2000)):rep(math.random(1, 3))
      local value = math.random() < 0.5 and math.random(1, 9) or ("v"):rep(math.random(0, 40))
      if math.random() < 0.4 then
        memory:run({ op = "delete", key = key }, 1)
        model[key] = nil
      else
        set(memory, key, value)
        model[key] = value
      end
    end
    local sorted = {}
    for key, value in pairs(model) do
      sorted[#sorted + 1] = key
      assert.equal(value, get(memory, key))
    end
    table.sort(sorted)
    local seen, after, more = {}, nil, true
    while more do
      local page
      page, more = keys(memory, { key = "", after = after, limit = 100 })
      for _, key in ipairs(page) do seen[#seen + 1] = key end
      after = page[#page]
    end
    assert.same(sorted, seen)
    assert.equal(#sorted, memory:numbers().entries)
    for _, key in ipairs(sorted) do memory:run({ op = "delete", key = key }, 1) end
    assert.same({ entries = 0, octets = 0, evicted = 0, expired = 0, refused = 0 }, memory:numbers())
  end)

  it("list what begins with a prefix, from a key on, without what has expired", function()
    local memory = store.dict_memory {}
    for _, key in ipairs { "b", "a1", "a2", "a", "aa", "c" } do set(memory, key) end
    set(memory, "a3", 1, { ttl_us = 5 })
    assert.same({ "a", "a1", "a2", "a3", "aa" }, (keys(memory, { key = "a" })))
    assert.same({ "a", "a1", "a2", "aa" }, (keys(memory, { key = "a", now = 6 })))
    assert.same({ { "a2", "aa" }, false }, { keys(memory, { key = "a", after = "a1", limit = 2, now = 6 }) })
    assert.same({ { "a" }, true }, { keys(memory, { key = "a", limit = 1 }) })
    assert.same({}, (keys(memory, { key = "a", owner = "another" })))
  end)

  it("give up what was unused longest when there are too many entries", function()
    local memory = store.dict_memory { max_entries = 3 }
    for _, key in ipairs { "a", "b", "c" } do set(memory, key) end
    get(memory, "a")
    assert.equal("OK", set(memory, "d"))
    assert.is_nil(get(memory, "b"))
    assert.equal(1, get(memory, "a"))
    assert.equal(1, memory:numbers().evicted)
  end)

  it("give up, of an owner over its share, the owner's entries alone", function()
    local memory = store.dict_memory { max_plugin_octets = 4000 }
    set(memory, "k", 1, { owner = "quiet" })
    for i = 1, 1000 do assert.equal("OK", set(memory, "k" .. i, ("x"):rep(100), { owner = "loud" })) end
    assert.equal(1, get(memory, "k", "quiet"))
    assert.is_true(memory:numbers().octets <= 4000 + 500)
    assert.is_nil(get(memory, "k1", "loud"))
    assert.equal(("x"):rep(100), get(memory, "k1000", "loud"))
  end)

  it("take from others when all is full, and from nobody who refuses that", function()
    local memory = store.dict_memory { max_entries = 2 }
    set(memory, "kept", 1, { owner = "careful", refuse = true })
    set(memory, "k", 1, { owner = "other" })
    assert.equal("OK", set(memory, "mine"))
    assert.is_nil(get(memory, "k", "other"))
    assert.equal("TOOBIG", set(memory, "more", 1, { refuse = true }))
    assert.equal("OK", set(memory, "more"))           -- in place of "mine"
    assert.equal(1, get(memory, "kept", "careful"))
    assert.equal(1, memory:numbers().refused)
    memory:run({ op = "delete", key = "more" }, 1)
    set(memory, "kept", 1, { owner = "careful too", refuse = true })
    assert.equal("TOOBIG", set(memory, "k"))
  end)

  it("keep nothing of an owner without entries", function()
    local memory = store.dict_memory { max_entries = 1 }
    for _, owner in ipairs { "one", "two", "three" } do set(memory, "k", 1, { owner = owner }) end
    get(memory, "k", "stranger")
    set(memory, "k", 1, { owner = "last", ttl_us = 1 })
    memory:sweep(10, 10)
    assert.equal(0, memory:numbers().octets)
  end)

  it("refuse an entry that is too large for all there is, and leave the old value", function()
    local memory = store.dict_memory { max_plugin_octets = 1000 }
    assert.equal("TOOBIG", set(memory, "k", ("x"):rep(1000)))
    set(memory, "k", "small")
    set(memory, "other", "small")
    assert.equal("TOOBIG", set(memory, "k", ("x"):rep(1000)))
    assert.equal("small", get(memory, "k"))
  end)

  it("free expired entries in the order of their time, a bounded number at once", function()
    local memory = store.dict_memory {}
    math.randomseed(3)
    for i = 1, 500 do set(memory, "k" .. i, 1, { ttl_us = math.random(1, 100) }) end
    for i = 1, 100 do set(memory, "k" .. i, 1, { ttl_us = math.random(1, 100) }) end
    for i = 401, 450 do memory:run({ op = "delete", key = "k" .. i }, 1) end
    for i = 451, 500 do set(memory, "k" .. i) end
    assert.equal(50, memory:sweep(1000, 50))
    assert.equal(350, memory:sweep(1000, 1000))
    assert.equal(50, memory:numbers().entries)
    assert.equal(400, memory:numbers().expired)
  end)

  it("free each entry when its time has come, never earlier and never later", function()
    local memory, due = store.dict_memory {}, {}
    math.randomseed(5)
    for i = 1, 300 do
      local key = i % 200                        -- some get another time
      due[key] = math.random(2, 60)
      set(memory, "k" .. key, 1, { ttl_us = due[key] - 1 })
    end
    for now = 2, 60 do
      local count = 0
      for _, at in pairs(due) do if at == now then count = count + 1 end end
      assert.equal(count, memory:sweep(now, 1000))
    end
    assert.same({ entries = 0, octets = 0, evicted = 0, expired = 200, refused = 0 }, memory:numbers())
  end)

  it("make room with what has expired before they evict or refuse", function()
    local memory = store.dict_memory { max_entries = 2 }
    set(memory, "a", 1, { refuse = true, ttl_us = 5 })
    set(memory, "b", 1, { refuse = true })
    assert.equal("TOOBIG", set(memory, "c", 1, { refuse = true }))
    assert.equal("OK", set(memory, "c", 1, { refuse = true, now = 10 }))
  end)
end)
