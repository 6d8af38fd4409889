local base = require("spec.support.bind")("base")
local dkjson = require "dkjson"
local process = require("spec.support.bind")("process")

local DEBUG, INFO, ERROR = 0, 1, 4

describe("the log", function()
  local path

  local function lines()
    local list = {}
    for line in io.lines(path) do list[#list + 1] = line end
    return list
  end

  before_each(function()
    path = os.tmpname()
    base.clock_fake(1763755200123456)
    assert(base.log_to(path, nil, INFO, "worker.2"))
  end)

  after_each(function()
    base.log_to()
    base.clock_fake(0)
    os.remove(path)
  end)

  it("writes time, level, process, event and pairs on one line", function()
    base.log(INFO, "recipient refused", "to", "<x@y>", "status", "5.1.1")
    assert.same({ "2025-11-21T20:00:00.123Z info worker.2 recipient refused to=<x@y> status=5.1.1" }, lines())
  end)

  it("quotes values with spaces and escapes what could forge a line", function()
    base.log(INFO, "e", "k", "a b", "l", 'x"\\\r\n2025 error')
    assert.is_truthy(lines()[1]:find([[ k="a b" l="x\"\\\u000d\u000a2025 error"]], 1, true))
    assert.equal(1, #lines())
  end)

  it("quotes an empty value", function()
    base.log(INFO, "e", "k", "")
    assert.is_truthy(lines()[1]:find(' k=""', 1, true))
  end)

  it("leaves out a pair without value", function()
    base.log(INFO, "e", "k", nil, "l", "1")
    assert.is_truthy(lines()[1]:find(" e l=1$"))
  end)

  it("keeps an event on its line", function()
    base.log(INFO, "one\ntwo")
    assert.is_truthy(lines()[1]:find("one two", 1, true))
  end)

  it("writes nothing below its level", function()
    base.log(DEBUG, "small talk")
    assert.same({}, lines())
    base.log_to(path, nil, DEBUG, "worker.2")
    base.log(DEBUG, "small talk")
    assert.equal(1, #lines())
  end)

  it("writes JSON that a parser reads back", function()
    base.log_to(path, "json", INFO, "store")
    local value = 'a "b" \\ \1 \xc3\xa4'
    base.log(ERROR, "it broke", "why", value)
    local record, _, problem = dkjson.decode(lines()[1])
    assert.is_nil(problem)
    assert.same({ time = "2025-11-21T20:00:00.123Z", level = "error", process = "store",
      event = "it broke", why = value }, record)
  end)

  it("writes JSON in UTF-8 whatever octets a peer sent", function()
    base.log_to(path, "json", INFO, "store")
    base.log(INFO, "e", "k", "a\xffb\xc3", "l", "\xed\xa0\x80")
    local line = lines()[1]
    assert.is_truthy(utf8.len(line), line)
    assert.equal("a\u{fffd}b\u{fffd}", dkjson.decode(line).k)
  end)

  it("goes on in a new file after the old one was moved away", function()
    base.log(INFO, "before")
    os.rename(path, path .. ".old")
    base.log(INFO, "still the old file")
    assert.is_true(base.log_reopen())
    base.log(INFO, "after")
    assert.equal(1, #lines())
    os.remove(path .. ".old")
  end)

  it("keeps the old target when the new one cannot be opened", function()
    assert.same({ nil, "IO" }, { base.log_to("/nonexistent/log", nil, INFO, "worker.2") })
    base.log(INFO, "still here")
    assert.equal(1, #lines())
  end)

  it("formats numbers without mixing them up", function()
    assert.equal("0", base.log_u64(0))
    assert.equal("18446744073709551615", base.log_u64(-1))
  end)

  it("says why and ends with 70 when a process dies", function()
    assert.same({ "exited", 70 }, { process.child(function() base.die("the page 7 is gone") end) })
    assert.is_truthy(lines()[1]:find("error worker.2 the page 7 is gone", 1, true))
  end)
end)
