-- The table of hooks, as plugins see it.
local script = require "spec.support.script"

describe("mail.hooks", function()
  after_each(script.clean)

  ---What the table says, as Lua text of the plugin gives it to the log.
  local function rows()
    script.plugin [[
      local lines = {}
      for _, hook in ipairs(mail.hooks()) do
        lines[#lines + 1] = table.concat({ hook.name, hook.kind, table.concat(hook.arguments, ","),
          table.concat(hook.verdicts, ","), #hook.answers > 0 and "a" or "", #hook.nothing > 0 and "n" or "" }, "|")
      end
      print(table.concat(lines, "~"))
    ]]
    local list = {}
    for row in script.log():match('moonpost "?([^"\n]-)"? plugin=one'):gmatch("[^~]+") do list[#list + 1] = row end
    return list
  end

  it("lists every hook with kind, arguments, verdicts, and words for authors", function()
    local found = {}
    for _, row in ipairs(rows()) do
      local name, kind, arguments, verdicts, words = row:match("^([^|]+)|(%l+)|([^|]*)|([^|]*)|(.*)$")
      assert.is_truthy(name, row)
      assert.equal("a|n", words, name)
      found[name] = { kind = kind, arguments = arguments, verdicts = verdicts }
    end
    assert.same({ kind = "decide", arguments = "session,recipient", verdicts = "accept,reject,tempfail,discard,disconnect" },
      found.accept_recipient)
    assert.same({ kind = "last", arguments = "session,mailbox,deletion", verdicts = "accept,tempfail,keep" },
      found.on_delete)
    assert.equal("observe", found.on_connect.kind)
    assert.equal("provide", found.mailbox.kind)
  end)

  it("lists only hooks that can be registered", function()
    for _, row in ipairs(rows()) do
      local name = row:match("^[^|]+")
      local value = name == "mailbox" and "{ open = print }" or "print"
      script.plugin(("plugin:hook(%q, %s)"):format(name, value))
    end
  end)
end)
