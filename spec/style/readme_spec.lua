-- README.md tells the truth: its paths exist, its keys are those of the code, its contents are complete.
local tree = require "spec.support.tree"

describe("README.md", function()
  local text = tree.read("README.md")

  local function section(title)
    local from = assert(text:find("\n## " .. title .. "\n", 1, true), "no section " .. title)
    return text:sub(from, (text:find("\n## ", from + 1, true) or #text + 1) - 1)
  end

  it("answers 'Where is ...?' with paths that exist", function()
    local wrong, count = {}, 0
    for path in section("Where is ...?"):gmatch("`([%w_/.*-]+)`") do
      if path:find("/", 1, true) and not path:find("*", 1, true) then
        count = count + 1
        if not tree.exists((path:gsub("/$", ""))) then wrong[#wrong + 1] = path end
      end
    end
    assert.same({}, wrong)
    assert.is_true(count > 20)
  end)

  it("lists every section in its contents", function()
    for title in text:gmatch("\n## ([^\n]+)") do
      assert.is_truthy(text:find("- [" .. title .. "](#", 1, true), title)
    end
  end)

  it("explains every configuration key, and no other", function()
    local known, documented, wrong = {}, {}, {}
    for name in tree.read("core/script/config_keys.c"):gmatch('KEY%("([%w_.]+)"') do known[name] = true end
    for name in section("Configuration"):gmatch("\n| `([%w_.]+)` |") do documented[name] = true end
    for name in pairs(known) do
      if not documented[name] then wrong[#wrong + 1] = name .. " is not explained" end
    end
    for name in pairs(documented) do
      if not known[name] then wrong[#wrong + 1] = name .. " is no key" end
    end
    table.sort(wrong)
    assert.same({}, wrong)
  end)

  it("names only keys that exist in its table of limits", function()
    local keys = tree.read("core/script/config_keys.c")
    for name in section("Limits"):gmatch("`([%l_]+%.[%l_]+)`") do
      assert.is_truthy(keys:find('KEY("' .. name .. '"', 1, true), name)
    end
  end)

  it("shows commands of the demo as the demo prints them", function()
    local demo = tree.read("bin/moonpost-demo"):gsub("%s+", " ")
    for block in section("Your first mail"):gmatch("```sh\n(curl.-)```") do
      assert.is_truthy(demo:find((block:gsub("%s+", " "):gsub(" $", "")), 1, true), block)
    end
  end)

  it("names packages with a reason, each once", function()
    local seen = {}
    for step, name, why in tree.read("bin/setup"):gmatch("\n\t(%l+) +([%w.+-]+) +([^\n]+)") do
      if step == "run" or step == "test" or step == "lint" then
        assert.is_nil(seen[name], name)
        seen[name] = why
      end
    end
    assert.is_truthy(seen.gcc and seen["lua-busted"] and seen.clang)
  end)

  it("has HACKING.md beside it, which names the layers as the spec of the layers does", function()
    local hacking = tree.read("HACKING.md")
    for folder in tree.read("spec/style/layers_spec.lua"):match("local rank = {(.-)}"):gmatch("(%l[%w]*) =") do
      if folder ~= "spec" then assert.is_truthy(hacking:find(folder, 1, true), folder) end
    end
  end)
end)
