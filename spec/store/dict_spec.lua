-- What a question does to an entry, seen through dictionaries in memory, whose clock is the spec's.
local store = require "spec.support.bind" ("store")

describe("a question about an entry", function()
  local memory, now

  before_each(function()
    memory, now = store.dict_memory {}, 1000000
  end)

  local function ask(q)
    q.key = q.key or "k"
    local status, answer = memory:run(q, now)
    return answer, status
  end
  local function get(key) return ask { op = "get", key = key }.value end

  it("sets and gets strings, integers and booleans as what they are", function()
    for _, value in ipairs { "text", "", "a\0b", 7, math.mininteger, math.maxinteger, true, false } do
      assert.is_true(ask { op = "set", value = value }.done)
      assert.equal(value, get())
    end
    assert.is_nil(get "another")
  end)

  it("adds only what is not there, and says what is", function()
    assert.is_true(ask { op = "add", value = "first" }.done)
    local answer = ask { op = "add", value = "second" }
    assert.is_false(answer.done)
    assert.equal("first", answer.value)
    assert.equal("first", get())
  end)

  it("counts from zero, by any number, never past the ceiling or 64 bits", function()
    assert.equal(5, ask { op = "incr", amount = 5 }.value)
    assert.equal(3, ask { op = "incr", amount = -2 }.value)
    local answer = ask { op = "incr", amount = 3, max = 5 }
    assert.is_false(answer.done)
    assert.equal(3, answer.value)
    assert.equal(5, ask { op = "incr", amount = 2, max = 5 }.value)
    ask { op = "set", value = math.maxinteger }
    assert.equal("DENIED", select(2, ask { op = "incr" }))
    assert.equal(math.maxinteger, get())
    ask { op = "set", value = "7" }
    assert.equal("UNSUPPORTED", select(2, ask { op = "incr" }))
  end)

  it("deletes, and says whether there was something", function()
    ask { op = "set", value = 1 }
    assert.is_true(ask { op = "delete" }.done)
    assert.is_false(ask { op = "delete" }.done)
    assert.is_nil(get())
  end)

  it("compares and sets: type and value must be the expected ones", function()
    assert.is_true(ask { op = "cas", value = "1" }.done)                    -- expected: absent
    local answer = ask { op = "cas", value = "2" }
    assert.is_false(answer.done)
    assert.equal("1", answer.value)
    assert.is_false(ask { op = "cas", expected = 1, value = "2" }.done)     -- a number is no string
    assert.is_true(ask { op = "cas", expected = "1", value = "2" }.done)
    assert.equal("2", get())
    assert.is_false(ask { op = "cas", expected = "1" }.done)
    assert.is_true(ask { op = "cas", expected = "2" }.done)                 -- no value: removed
    assert.is_nil(get())
  end)

  it("forgets when the time is over, not before", function()
    ask { op = "set", value = 1, ttl_us = 10 }
    now = now + 9
    assert.equal(1, get())
    now = now + 1
    assert.is_nil(get())
    assert.is_true(ask { op = "add", value = 2 }.done)
  end)

  it("keeps the first time of a counter, and takes a new one with each set", function()
    ask { op = "incr", ttl_us = 10 }
    now = now + 9
    assert.equal(2, ask { op = "incr", ttl_us = 10 }.value)
    now = now + 1
    assert.equal(1, ask { op = "incr", ttl_us = 10 }.value)
    ask { op = "set", value = 7, ttl_us = 10 }
    ask { op = "set", value = 8 }
    now = now + 1000000
    assert.equal(8, get())
  end)
end)

describe("a token bucket", function()
  local memory
  local SECOND = 1000000000                -- one token a second, ten at most

  before_each(function() memory = store.dict_memory {} end)

  local function take(n, now, ceiling)
    local status, answer = memory:run({ op = "take", key = "k", amount = n * SECOND,
      ceiling = (ceiling or 10) * SECOND }, now)
    assert.equal("OK", status)
    return answer.done, answer.ns / SECOND
  end

  it("gives the burst, then says how long to wait", function()
    for left = 9, 0, -1 do assert.same({ true, left + 0.0 }, { take(1, 1) }) end
    assert.same({ false, 1.0 }, { take(1, 1) })
    assert.same({ false, 0.5 }, { take(1, 500001) })
    assert.same({ true, 0.0 }, { take(1, 1000001) })
    assert.same({ false, 3.0 }, { take(3, 1000001) })
  end)

  it("is never more than full", function()
    take(10, 1)
    assert.same({ true, 0.0 }, { take(10, 1 + 3600 * 1000000) })
  end)

  it("shows what is left when nothing is taken, and then is not kept", function()
    assert.same({ true, 10.0 }, { take(0, 1) })
    assert.equal(0, memory:numbers().entries)
    take(4, 1)
    assert.same({ true, 6.0 }, { take(0, 1) })
  end)

  it("is forgotten when it is full again: that is what it says anyway", function()
    take(3, 1)
    assert.equal(1, memory:numbers().entries)
    assert.equal(0, memory:sweep(2999999, 10))
    assert.equal(1, memory:sweep(3000002, 10))
  end)

  it("does not owe more than it holds when it is made smaller", function()
    take(10, 1)
    assert.same({ false, 1.0 }, { take(1, 1, 2) })
  end)

  it("gives no more than burst and rate in any order of takes", function()
    math.randomseed(7)
    local now, given = 1, 0
    for _ = 1, 20000 do
      local n = math.random(1, 3)
      if take(n, now) then given = given + n end
      now = now + math.random(0, 700000)
      assert.is_true(given <= 10 + now / 1000000)
    end
    assert.is_true(given > 0.9 * now / 1000000)
  end)

  it("is no value, and a value is no bucket", function()
    memory:run({ op = "set", key = "k", value = 1 }, 1)
    assert.equal("UNSUPPORTED", (memory:run({ op = "take", key = "k", amount = 1, ceiling = 2 }, 1)))
  end)
end)
