-- luacheck: no max line length
local script = require "spec.support.script"

local HEAD = 'local plugin = ... local mail = require "moonpost"\n'

local function problem(text, setup)
  setup = setup or {}
  setup.plugins = { one = HEAD .. text }
  local stage, err = script.try(setup)
  assert.is_nil(stage)
  return err
end

describe("a plugin that cannot be loaded", function()
  after_each(script.clean)

  for text, why in pairs {
    ["x x"] = "one%.lua:2: syntax error near 'x'",
    ["error('no')"] = "one%.lua:2: no",
    ["error({})"] = "an error that is not a text %(a table%)",
    ["plugin:hook('acept_recipient', print)"] = 'one%.lua:2: there is no hook "acept_recipient"; did you mean "accept_recipient"%?',
    ["plugin:hook('something', print)"] = 'one%.lua:2: there is no hook "something"',
    ["plugin.hook('auth', print)"] = "write plugin:hook%(%.%.%.%), with a colon",
    ["plugin:hook('auth')"] = "one%.lua:2: bad argument #2 to 'hook' %(function expected, got nil%)",
    ["plugin:hook('auth', print, { prio = 1 })"] = "one%.lua:2: plugin:hook: unknown option prio; there are priority",
    ["plugin:hook('auth', print, { priority = 'x' })"] = "priority is a whole number",
    ["plugin:hook('auth', print, { services = { 'imap' } })"] = 'unknown service "imap"; there are mta',
    ["plugin:hook('auth', print, { services = {} })"] = "services is a name or a list of names",
    ["plugin:hook('auth', print, { services = { 5 } })"] = "services%[1%] is a number, not a name",
    ["plugin:hook('auth', print, { listeners = 'x' })"] = 'the configuration has no listener named "x"; give one that `name`',
    ["plugin:hook('auth', print, { listeners = 'mta@127.0.0.1:2526' })"] = 'did you mean "mta@127.0.0.1:2525"',
    ["plugin:hook('auth', print, { protocol = 'imap' })"] = 'protocol is "smtp" or "pop3"',
    ["plugin:hook('auth', print, { protocol = 'pop3', services = 'smtp' })"] = "no session fits both protocol and services",
    ["plugin:hook('auth', print, { tls = 1 })"] = "tls is true or false, not a number",
    ["plugin:hook('mailbox', print)"] = "bad argument #2 to 'hook' %(table expected",
    ["plugin:hook('mailbox', { opne = print })"] = 'a mailbox backend has no function "opne"; did you mean "open"%?',
    ["plugin:hook('mailbox', { open = 5 })"] = "mailbox backend: open is a number, not a function",
    ["plugin:hook('mailbox', { list = print })"] = "needs a function open",
    ["mail.sleep(1)"] = "mail%.sleep waits, so it can be used inside hooks only",
    ["plugin.nothing()"] = 'plugin has no "nothing"',
  } do
    it("says plugin, file, line and why: " .. text, function()
      local err = problem(text)
      assert.matches("^plugin one %(%S+moonpost%.lua:6%): ", err)
      assert.matches(why, err)
    end)
  end

  it("may not register hooks later", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function() plugin:hook("auth", print) end)]]
    assert.equal("tempfail", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).kind)
    assert.matches("hooks are registered while the plugin loads", script.log())
  end)
end)

describe("plugin:options", function()
  after_each(script.clean)

  local DECLARED = [[local o = plugin:options {
    domains = { "list", of = "string" }, rate = { "number", default = 30, min = 1, max = 100 },
    mode = { "string", default = "soft", one_of = { "soft", "hard" } }, on = { "boolean", default = true },
    limits = { "map", of = "integer", default = {} }, path = { "file", optional = true },
    any = { "table", optional = true },
  }
  ]]

  local function with(options)
    return { list = '{ "one", options = {\n' .. options .. "\n} }" }
  end

  it("gives values and defaults", function()
    local setup = with [[ domains = { "a", "b" }, rate = 5.5, limits = { x = 1 }, path = "sub/dir/", any = { { 1 } } ]]
    local stage = script.plugin(DECLARED .. [[plugin:hook("accept_recipient", function()
      return mail.reject(nil, table.concat({ o.domains[2], o.rate, o.mode, tostring(o.on), o.limits.x, o.path, o.any[1][1] }, " ")) end)]], setup)
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" })
    assert.equal(("b 5.5 soft true 1 %s/sub/dir 1"):format(script.last_folder), answer.text)
  end)

  for options, why in pairs {
    [""] = "moonpost%.lua:6: option domains of plugin one: is missing",
    ["domains = 'a'"] = "moonpost%.lua:7: option domains of plugin one: must be a list, not a string",
    ["domains = { 'a',\n 5 }"] = "moonpost%.lua:8: option domains%[2%] of plugin one: must be a string, not a number",
    ["domains = { x = 'a' }"] = "moonpost%.lua:7: option domains of plugin one: must be a list: { a, b, %.%.%. }",
    ["domains = {},\nrate = 0"] = "moonpost%.lua:8: option rate of plugin one: must be at least 1",
    ["domains = {},\nrate = 101"] = "must be at most 100",
    ["domains = {},\nmode = 'medium'"] = 'moonpost%.lua:8: option mode of plugin one: must be one of "soft", "hard"',
    ["domains = {},\non = 1"] = "option on of plugin one: must be a boolean, not a number",
    ["domains = {},\nlimits = { x = 1.5 }"] = "option limits%.x of plugin one: must be an integer, not a number",
    ["domain = {}"] = "moonpost%.lua:7: option domain of plugin one: unknown option; did you mean domains%?",
    ["domains = {}, zzzzzzz = 1"] = "option zzzzzzz of plugin one: unknown option",
  } do
    it("refuses " .. options:gsub("\n", " "), function()
      assert.matches(why, problem(DECLARED, with(options)))
    end)
  end

  it("tells the author of wrong declarations", function()
    assert.matches('plugin:options: x: unknown kind; did you mean "string"%?', problem "plugin:options { x = { 'sting' } }")
    assert.matches("plugin:options: x: write { \"string\" }", problem "plugin:options { x = 5 }")
  end)
end)

describe("a plugin", function()
  after_each(script.clean)

  it("knows its name and keeps its state", function()
    local stage = script.plugin [[
      local count = plugin:state("count", { n = 0 })
      plugin:hook("accept_recipient", function()
        count.n = count.n + 1
        return mail.reject(nil, plugin.name .. plugin:state("count").n) end)]]
    script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" })
    assert.equal("one2", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)
end)

describe("answers", function()
  after_each(script.clean)

  for text, why in pairs {
    ["mail.reject('4.7.1', 'x')"] = 'mail%.reject: "4%.7%.1" is no enhanced status code for this; write for example mail%.reject%("5%.7%.1"',
    ["mail.reject('Relaying denied')"] = '"Relaying denied" is no enhanced status code',
    ["mail.tempfail('5.7.1')"] = "mail%.tempfail",
    ["mail.disconnect('2.0.0')"] = "mail%.disconnect",
    ["mail.reject('5.7.1', 'a\\r\\nb')"] = "the text is one line",
    ["mail.reject('5.7.1', ('x'):rep(400))"] = "longer than 399",
    ["mail.accept('x')"] = "table expected",
    ["mail.accept { mailbx = 'x' }"] = "unknown option mailbx",
    ["mail.accept { mailbox = 5 }"] = "mailbox is a string",
    ["mail.accept { redirect = {} }"] = "redirect is a list of addresses",
    ["mail.accept { redirect = { 5 } }"] = "redirect%[1%] is a number",
    ["mail.delay(-1)"] = "0 to 300 seconds", ["mail.delay('x')"] = "number expected",
    ["mail.keep(5, {})"] = false,
  } do
    it("check themselves: " .. text, function()
      local stage, err = script.try { plugins = { one = HEAD .. text } }
      if why then
        assert.is_nil(stage)
        assert.matches("one%.lua:2: ", err)
        assert.matches(why, err)
      else
        stage:close()
      end
    end)
  end
end)
