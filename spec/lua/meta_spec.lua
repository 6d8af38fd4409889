-- The stub for editors and the functions that plugins really get are the same.
local script = require "spec.support.script"

describe("lua/meta/moonpost.lua", function()
  after_each(script.clean)

  ---"mail.users.get" ... of a library table.
  local LIST = [[
    local names = {}
    local function walk(prefix, t)
      for key, value in pairs(t) do
        if type(value) == "table" then walk(prefix .. key .. ".", value)
        elseif type(value) == "function" then names[#names + 1] = prefix .. key end
      end
    end
    walk("mail.", mail)
    table.sort(names)
    print(table.concat(names, " "))
  ]]

  it("declares every function of the library and no other", function()
    script.plugin(LIST)
    local real = script.log():match('moonpost "?(mail%.[^"\n]-)"? plugin=one')
    local declared = {}
    for name in (script.read "lua/meta/moonpost.lua"):gmatch("\nfunction (mail%.[%w_.]+)%(") do
      declared[#declared + 1] = name
    end
    table.sort(declared)
    assert.equal(real, table.concat(declared, " "))
  end)

  it("declares the methods of dictionaries, limits and caches", function()
    script.plugin [[
      local all = { dict = mail.dict("d"), limit = mail.limit { name = "l", rate = 1, burst = 1 }, cache = mail.cache() }
      local known = { dict = "get set add incr delete cas list", limit = "take", cache = "get set delete clear" }
      for kind, methods in pairs(known) do
        for name in methods:gmatch("%a+") do assert(type(all[kind][name]) == "function", kind .. ":" .. name) end
      end]]
    local text = script.read "lua/meta/moonpost.lua"
    for kind, methods in pairs { dict = "get set add incr delete cas list", limit = "take", cache = "get set delete clear" } do
      for name in methods:gmatch("%a+") do
        assert.is_truthy(text:find(("\nfunction %s:%s("):format(kind, name), 1, true), kind .. ":" .. name)
      end
    end
  end)

  it("is Lua that loads", function()
    assert.is_truthy(loadfile "lua/meta/moonpost.lua")
  end)

  it("declares the methods and fields of a plugin, a session, a message and a deletion", function()
    local text = script.read "lua/meta/moonpost.lua"
    local stage = script.plugin [[
      plugin:hook("accept_message", function(session, envelope, message)
        local function has(object, ...)
          for _, name in ipairs { ... } do
            local ok = pcall(function() return object[name] end)
            if not ok then error("no " .. name) end
          end
        end
        has(session, "id", "protocol", "service", "listener", "remote", "local", "tls", "helo", "user",
          "mailbox", "trusted", "loopback", "data", "closed")
        has(message, "octets", "header", "read")
        has(plugin, "hook", "options", "state", "every", "name")
        has(message, "octets", "header", "headers", "add", "set", "remove", "parts", "read", "lines")
        has(message:parts()[1], "type", "parameters", "charset", "disposition", "filename", "encoding", "id", "offset",
          "octets", "depth", "children", "number", "parent", "header", "read", "decode", "content")
        has(plugin, "hook", "options", "state", "name")
        assert(envelope.sender and envelope.recipients)
        return mail.reject(nil, message:header("subject") .. message.octets .. message:read(9, 1))
      end)]]
    local answer = script.ask(stage, { hook = "accept_message", message = "Subject: x\r\n\r\n" })
    assert.equal("x14x", answer.text)
    for _, field in ipairs { "id", "protocol", "service",
      "listener", "remote", "local", "tls", "helo",
      "user", "mailbox", "trusted", "loopback", "data", "closed", "octets", "uidl", "number", "type", "parameters", "charset",
      "disposition",
      "filename", "encoding", "id", "offset", "depth", "children", "parent" } do
      assert.is_truthy(text:find("---@field " .. field, 1, true), field)
    end
    for _, method in ipairs { "header", "headers", "add", "set", "remove", "parts", "read", "lines" } do
      assert.is_truthy(text:find("\nfunction message:" .. method .. "(", 1, true), method)
    end
    for _, method in ipairs { "header", "read", "decode", "content" } do
      assert.is_truthy(text:find("\nfunction part:" .. method .. "(", 1, true), method)
    end
  end)
end)
