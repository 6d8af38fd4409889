-- The lessons of spec/dialogues, in process.  spec/wire drives the same files over sockets.
local dialogue = require "spec.support.dialogue"
local smtp = require "spec.support.smtp"

describe("the dialogue", function()
  for _, script in ipairs(dialogue.all("smtp_")) do
    for _, mode in ipairs { "line", "byte", "all" } do
      it(("%s: %s (%s)"):format(script.path:match("[^/]+$"), script.title, mode), function()
        dialogue.run(script, smtp.peer(script.options), mode)
      end)
    end
  end
end)

describe("a dialogue file", function()
  local function run(text, mode)
    return pcall(dialogue.run, dialogue.parse(text, "here.txt"), smtp.peer(), mode or "line")
  end

  it("fails where the server says something else", function()
    local ok, why = run("S: 220 *\nC: NOOP\nS: 500 *\n")
    assert.is_false(ok)
    assert.matches("here.txt:3: expected 500 %*, got 250 2.0.0 Ok", why)
  end)

  it("fails where the server says nothing", function()
    local ok, why = run("S: 220 *\nC- NOOP\nS: 250 *\n")
    assert.is_false(ok)
    assert.matches("the server says no more", why)
  end)

  it("fails where the server does not close", function()
    assert.is_false((run("S: 220 *\nCLOSED\n")))
    assert.is_true((run("S: 220 *\nC: QUIT\nS: 221 *\nCLOSED\n")))
  end)

  it("is refused when a line makes no sense", function()
    assert.has_error(function() dialogue.parse("X: what", "here.txt") end)
  end)
end)
