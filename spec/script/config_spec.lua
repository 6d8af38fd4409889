-- luacheck: no max line length
local script = require "spec.support.script"
local bind = script.bind

local folder

---Load a configuration of this text; problems come without the folder's name.
local function load(text, name)
  folder = folder or script.folder()
  os.execute(("mkdir -p '%s/plugins/two'"):format(folder))
  script.write(folder .. "/plugins/one.lua", "")
  script.write(folder .. "/plugins/two/init.lua", "")
  script.write(folder .. "/server.pem", "x")
  local file = folder .. "/" .. (name or "moonpost.lua")
  script.write(file, text)
  local config, problems = bind.config(file)
  return config, problems and problems:gsub(folder:gsub("%p", "%%%0") .. "/", "")
end

local LISTEN = 'listeners = { { service = "mta", address = "127.0.0.1:2525" } },'

local function load_with(text)
  return load("return {\n" .. LISTEN .. "\n" .. text .. "\n}")
end

describe("a configuration", function()
  after_each(function()
    script.clean()
    folder = nil
  end)

  it("has a default for everything but what to listen on", function()
    local config = load("return { " .. LISTEN .. " }")
    assert.is_truthy(config.hostname)
    assert.equal(10000, config.stop_grace_ms)
    assert.equal("+", config.recipient_delimiter)
    assert.equal(folder .. "/run", config.runtime)
    assert.equal(folder .. "/store", config.store_path)
    assert.equal("1.2", config.min_version)
    assert.equal(-1, config.expire_days)
    assert.equal(10, config.slice_ms)
    assert.is_true(config.workers >= 1)
  end)

  it("is read as it stands", function()
    local config = assert(load_with [[
      hostname = "mail.example.test", domains = { "Example.test", "example.org" }, workers = 3,
      stop_grace = 1.5, recipient_delimiter = "", runtime = "/var/run/x", store = { path = "data" },
      smtp = { max_message_octets = 1 << 20, command_timeout = 0.25, auth_mechanisms = { "PLAIN", "login" } },
      pop3 = { expire = 30 }, log = { level = "debug", format = "json" }, lua = { slice = 0.02 },
      aliases = { ["Sales@Example.test"] = { "alice@example.test", "bob@example.test" }, ["x@example.test"] = "y@example.test" },
      catch_all = { ["example.test"] = "bob@example.test" },
      users = { { name = "Carol@example.test", password = "$6$x", quota_octets = 5 } },
    ]])
    assert.equal("mail.example.test", config.hostname)
    assert.same({ "example.test", "example.org" }, config.domains)
    assert.equal("example.test", config.default_domain)
    assert.equal("example.test", config.pop3_default_domain)
    assert.equal(3, config.workers)
    assert.equal(1500, config.stop_grace_ms)
    assert.equal("", config.recipient_delimiter)
    assert.equal("/var/run/x", config.runtime)
    assert.equal(folder .. "/data", config.store_path)
    assert.equal(1048576, config.max_message_octets)
    assert.equal(250, config.command_timeout_ms)
    assert.equal(3, config.smtp_auth_mechanisms)
    assert.equal(30, config.expire_days)
    assert.equal(20, config.slice_ms)
    assert.same({ ["sales@example.test"] = { "alice@example.test", "bob@example.test" },
      ["x@example.test"] = { "y@example.test" } }, config.aliases)
    assert.same({ ["example.test"] = "bob@example.test" }, config.catch_all)
    assert.same({ ["carol@example.test"] = { password = "$6$x", quota_octets = 5 } }, config.users)
  end)

  it("may fill global variables instead of returning a table", function()
    local config = assert(load(LISTEN:gsub(",$", "") .. '\nhostname = "a.test"\nsmtp = { max_errors = 7 }'))
    assert.equal("a.test", config.hostname)
    local _, problems = load(LISTEN:gsub(",$", "") .. '\nsmtp = {\n  max_erors = 7 }')
    assert.equal("moonpost.lua:3: smtp.max_erors: unknown key; did you mean max_errors?\n", problems)
  end)

  it("may compute, and read the environment, and nothing more", function()
    assert(load('local n = 2\nreturn { workers = n * 2, hostname = os.getenv("NO_SUCH") or ("x"):rep(3), ' .. LISTEN .. "}"))
    for _, text in ipairs { "io.open('x')", "os.execute('true')", "os.remove('x')", "require('x')",
      "load('x')", "dofile('x')", "debug.getinfo(1)", "string.dump(function() end)()" } do
      local config = load(text .. "\nreturn {" .. LISTEN .. "}")
      assert.is_nil(config, text)
    end
  end)

  it("is stopped when it computes for ever", function()
    local _, problems = load("while true do end")
    assert.equal("moonpost.lua:1: the configuration computes for too long (50 million instructions)\n", problems .. (problems:find("\n") and "" or "\n"))
  end)

  it("is stopped when it eats memory", function()
    local _, problems = load("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end")
    assert.matches("not enough memory", problems)
  end)

  it("tells a syntax error with file and line, and no text that may be a secret", function()
    local _, problems = load('return {\n  users = { { name = "a@b.test" password = "hunter2" } },\n}')
    assert.matches("^moonpost.lua:2: '}' expected near", problems)
    _, problems = load('return {\n  users = { "hunter2" "hunter2" },\n}')
    assert.matches("^moonpost.lua:2:", problems)
    assert.is_nil(problems:find("hunter2"))
  end)

  it("must be there, and return a table", function()
    local _, problems = bind.config("/no/such/file.lua")
    assert.equal("/no/such/file.lua: cannot read the configuration: No such file or directory\n", problems)
    assert.matches("must return a table", select(2, load("return 5")))
    assert.matches("must return a table", select(2, load("")))
    assert.matches('sets the global "x"', select(2, load("x = 1 return {" .. LISTEN .. "}")))
  end)

  -- text -> the problem, without the line that is always 3
  for text, problem in pairs {
    ["smtp = { max_mesage_octets = 5 }"] = "smtp.max_mesage_octets: unknown key; did you mean max_message_octets?",
    ["workrs = 2"] = "workrs: unknown key; did you mean workers?",
    ["max_errors = 2"] = "max_errors: unknown key; did you mean smtp.max_errors?",
    ["zzzzz = 2"] = "zzzzz: unknown key",
    ["workers = '2'"] = 'workers: must be a number, not "2"',
    ["workers = 0"] = "workers: must be 1 to 256, not 0",
    ["workers = 1.5"] = "workers: must be a whole number, not 1.5",
    ["workers = 0/0"] = "workers: must be a number, not",
    ["smtp = 5"] = "smtp: must be a table, not a number",
    ["smtp = { max_recipients = 0 }"] = "smtp.max_recipients: must be 1 to 1000000, not 0",
    ["smtp = { vrfy = 1 }"] = "smtp.vrfy: must be true or false, not 1",
    ["hostname = {}"] = "hostname: must be a string, not a table",
    ["hostname = ''"] = "hostname: may not be empty",
    ["hostname = 'a\\0b'"] = "hostname: may not contain a zero octet",
    ["log = { level = 'warm' }"] = 'log.level: must be "debug", "info", "notice", "warn" or "error", not "warm"',
    ["log = { target = 'file' }"] = 'log: target = "file" needs path',
    ["domains = { 'bad domain' }"] = 'domains[1]: "bad domain" is not a domain name',
    ["domains = 5"] = "domains: must be a domain name, not a number",
    ["recipient_delimiter = 'ab'"] = "recipient_delimiter: must be one of the characters",
    ["proxy_trusted = { '10.0.0.0/33' }"] = 'proxy_trusted[1]: must be a network like',
    ["tls = { min_version = 1.2 }"] = 'tls.min_version: must be "1.2" or "1.3" (a string)',
    ["tls = { certificates = { { chain = 'none.pem', key = 'server.pem' } } }"] = "tls.certificates[1].chain: cannot read none.pem: No such file or directory",
    ["tls = { certificates = { { chain = 'server.pem' } } }"] = "tls.certificates[1]: key is missing: PEM file with the private key",
    ["smtp = { auth_mechanisms = { 'PLIAN' } }"] = 'smtp.auth_mechanisms[1]: unknown mechanism "PLIAN"; did you mean PLAIN?',
    ["pop3 = { expire = 'soon' }"] = 'pop3.expire: must be "never" or a number of days',
    ["aliases = { ['nobody'] = { 'a@b.test' } }"] = 'aliases.nobody: "nobody" is not an address like user@example.test',
    ["aliases = { ['a@b.test'] = {} }"] = 'aliases["a@b.test"]: has no target',
    ["users = { { name = 'a@b.test' } }"] = "users[1]: password is missing: crypt(3) hash",
    ["users = { { name = 'a@b.test', password = 5 } }"] = "users[1].password: must be a string, not a number",
    ["users = { { name = 'a@b.test', password = 'x' }, { name = 'A@b.test', password = 'x' } }"] = "users[2].name: a@b.test is there already",
    ["plugins = { 'onne' }"] = 'plugins[1]: no plugin "onne" in plugins, ./plugins; did you mean one?',
    ["plugins = { './gone.lua' }"] = "plugins[1]: there is no plugin file ./gone.lua",
    ["plugins = { { options = {} } }"] = "plugins[1]: the plugin's name comes first",
    ["plugins = { { 'one', option = {} } }"] = "plugins[1].option: unknown key; did you mean options?",
    ["plugins = { { 'one', options = { f = function() end } } }"] = "plugins[1].options.f: an option may be a string, number, boolean or table, not a function",
    ["'x'"] = "[1]: a value without a name; write key = value",
    ["plugin_path = { x = 1 }"] = "plugin_path.x: has no place here: this must be a list of strings",
  } do
    it("explains " .. text, function()
      local config, problems = load_with(text)
      assert.is_nil(config)
      local expected = "moonpost.lua:3: " .. problem
      assert.equal(expected, problems:sub(1, #expected))
    end)
  end

  it("tells all its problems, in the order of the file", function()
    local _, problems = load_with "workers = 0,\nsmtp = {\n  vrfy = 1,\n  bad = 2 },\nhostname = ''"
    local lines = {}
    for line in problems:gmatch("moonpost.lua:(%d+)") do lines[#lines + 1] = tonumber(line) end
    assert.same({ 3, 5, 6, 7 }, lines)
  end)

  it("never shows the value of a secret", function()
    local _, problems = load_with "users = { { name = 'a@b.test', password = { 'hunter2' } }, { name = 'hunter@3', passwort = 'hunter2' } }"
    assert.is_nil(problems:find("hunter2"))
  end)
end)

describe("listeners", function()
  after_each(function()
    script.clean()
    folder = nil
  end)

  local CERTIFICATE = 'tls = { certificates = { { chain = "server.pem", key = "server.pem" } } },'

  it("get a name, and * means both kinds of IP", function()
    local config = assert(load("return {" .. CERTIFICATE .. [[ listeners = {
      { service = "mta", address = { "127.0.0.1:2525", "[::1]:2525" } }, { service = "pop3s", address = "*:995" },
      { service = "pop3", address = ":110", tls = false, name = "plain" } } }]]))
    local l = config.listeners
    assert.same({ "127.0.0.1 2525", "::1 2525" }, l[1].addresses)
    assert.equal("mta@127.0.0.1:2525", l[1].name)
    assert.is_true(l[1].tls)
    assert.same({ "0.0.0.0 995", ":: 995" }, l[2].addresses)
    assert.is_true(l[2].tls)
    assert.equal("plain", l[3].name)
    assert.is_false(l[3].tls)
  end)

  for text, problem in pairs {
    [""] = "moonpost.lua:1: listeners is missing",
    ["listeners = {}"] = "listeners: is empty: there is nothing to listen on",
    ["listeners = { { service = 'pop', address = '127.0.0.1:1' } }"] = 'listeners[1].service: must be "mta"',
    ["listeners = { { service = 'mta' } }"] = "listeners[1]: address is missing",
    ["listeners = { { service = 'mta', address = '127.0.0.1' } }"] = 'listeners[1].address: "127.0.0.1" is not an address to listen on',
    ["listeners = { { service = 'pop3s', address = ':1' } }"] = "listeners[1]: TLS needs a certificate: set tls.certificates",
    ["listeners = { { service = 'pop3s', address = ':1', tls = false } }"] = "pop3s is TLS from the start",
    ["listeners = { { service = 'mta', address = ':1', proxy = true } }"] = "proxy = true needs proxy_trusted",
    ["listeners = { { service = 'mta', address = ':1' }, { service = 'pop3', address = '127.0.0.1:1', name = 'mta@:1' } }"] = 'the name "mta@:1" is taken',
    ["listeners = { { service = 'mta', address = '127.0.0.1:1' }, { service = 'pop3', address = '127.0.0.1:1' } }"] = "port 1 of 127.0.0.1 is taken by the listener at moonpost.lua:1",
    ["listeners = 5"] = "listeners: must be list of { service =, address = }, not a number",
  } do
    it("are refused like this: " .. text, function()
      local config, problems = load("return { " .. text .. " }")
      assert.is_nil(config)
      assert.is_truthy(problems:find(problem, 1, true), problems)
    end)
  end
end)

describe("config_network_match", function()
  after_each(function()
    script.clean()
    folder = nil
  end)

  it("compares as many bits as the network has", function()
    load_with "proxy_trusted = { '10.1.0.0/15', '192.0.2.7', '2001:db8::/33', '::1' }"
    local function match(ip) return bind.network_match(folder .. "/moonpost.lua", ip) end
    for _, ip in ipairs { "10.0.255.1", "10.1.2.3", "192.0.2.7", "::ffff:192.0.2.7", "2001:db8:7fff::1", "::1" } do
      assert.is_true(match(ip), ip)
    end
    for _, ip in ipairs { "10.2.0.1", "192.0.2.8", "2001:db8:8000::1", "::2", "", "x" } do
      assert.is_false(match(ip), ip)
    end
  end)
end)

describe("config_keys_print", function()
  it("lists every key with type, default and meaning", function()
    local text = bind.config_keys()
    assert.is_truthy(text:find("smtp.max_message_octets = 52428800\n    (number, octets,", 1, true))
    assert.is_truthy(text:find('log.level = "info"\n    ("debug" | "info"', 1, true))
    assert.is_truthy(text:find("Keys of listeners[n]:", 1, true))
    assert.is_truthy(text:find("stop_grace = 10\n", 1, true))
  end)
end)
