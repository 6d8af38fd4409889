-- The manual is complete, and its pages are what they say.
local tree = require "spec.support.tree"

describe("bin/manual", function()
  local folder

  setup(function()
    local pipe = assert(io.popen("mktemp -d"))
    folder = pipe:read("l")
    pipe:close()
    assert(os.execute(("bin/manual '%s'"):format(folder)))
  end)

  teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

  local function page(name)
    return tree.read(("%s/%s.md"):format(folder, name))
  end

  it("prints every function and class of lua/meta/moonpost.lua", function()
    local text, stub = page("moonpost-api.7"), tree.read("lua/meta/moonpost.lua")
    local missing, count = {}, 0
    local function look(name)
      count = count + 1
      if not text:find("\n###? " .. name:gsub("%.", "%%."):gsub("_", "[_]") .. "\n")
        and not text:find("\n## " .. name .. "\n", 1, true) and not text:find("\n### " .. name .. "\n", 1, true) then
        missing[#missing + 1] = name
      end
    end
    for name in stub:gmatch("\nfunction ([%w_.:]+)%(") do look(name) end
    for name in stub:gmatch("\n%-%-%-@class (moonpost[%w_.]*)") do
      look(name)
    end
    assert.same({}, missing)
    assert.is_true(count > 40)
  end)

  it("prints every hook with its facts and its example", function()
    local text, count = page("moonpost-hooks.7"), 0
    for name in tree.read("lua/meta/hooks.lua"):gmatch("\n%-%-%-hook: ([%w_]+)") do
      local section = text:match("\n## " .. name .. "\n(.-)\n## ") or text:match("\n## " .. name .. "\n(.*)$")
      assert.is_truthy(section and section:find("- **kind**: ", 1, true), name)
      assert.is_truthy(section:find('\n    plugin:hook("' .. name .. '"', 1, true), name)
      count = count + 1
    end
    assert.is_true(count > 20)
  end)

  it("prints arguments with their types, what comes back, and examples as code", function()
    local text = page("moonpost-api.7"):match("\n## mail%.timeout\n(.-)\n## ")
    assert.is_truthy(text:find("`mail%.timeout%(seconds, fn, %.%.%.%)` %(waits; other sessions go on%)"), text)
    assert.is_truthy(text:find("- **seconds** `number`: more than 0, up to 3600", 1, true), text)
    assert.is_truthy(text:find('- **word** `"timeout"?`', 1, true), text)
    assert.is_truthy(text:find("\n    local found, why, word = mail.timeout(", 1, true), text)
  end)

  it("prints every command with its help, every configuration key, every plugin", function()
    local commands, keys = page("moonpost.1"), page("moonpost.lua.5")
    assert.is_truthy(commands:find("\n## moonpost user add\n\n    [^\n]*moonpost user add"), commands)
    assert.is_truthy(keys:find("`smtp.max_message_octets`", 1, true))
    local index = page("index")
    for _, path in ipairs(tree.files("^plugins/.+/README%.md$")) do
      local name = path:match("^plugins/(.-)/")
      assert.is_truthy(index:find(("[%s](plugin-%s.html)"):format(name, name), 1, true), name)
      assert.is_truthy(page("plugin-" .. name):find(tree.read(path), 1, true))
    end
  end)

  it("names pages that exist", function()
    for link in page("index"):gmatch("%]%(([^)]+)%.html%)") do assert.is_truthy(#page(link) > 40, link) end
  end)

  it("is turned into HTML and man pages that show names with underscores as they are", function()
    for form, expected in pairs { html = ">mail.hmac_sha256</h", man = "mail.hmac_sha256" } do
      local pipe = assert(io.popen(("lowdown -s -T%s '%s/moonpost-api.7.md'"):format(form, folder)))
      local text = pipe:read("a")
      pipe:close()
      assert.is_truthy(text:find(expected, 1, true), form)
    end
  end)
end)
