---@meta moonpost
-- luacheck: ignore 212 241, no max line length
-- The API of plugins, for editors (LuaLS) and for the reference.  A spec compares it with what the
-- core really registers.

---One plugin; the argument of its file: `local plugin = ...`
---@class moonpost.Plugin
---@field name string
local plugin = {}

---Register a function for a hook, or a backend for "mailbox".  While the plugin loads only.
---
---What each hook gets, what it may answer and what nil means is in lua/meta/hooks.lua, with an example of
---each; mail.hooks() lists the same.
---
---    accept_connection (session)                        accept
---    accept_helo       (session, name)                  accept
---    auth              (session, credentials)           { user =, mailbox =, quota = }
---    secret            (session, mechanism, user)       { plain = } or SCRAM keys
---    token             (session, mechanism, user, token)  { user =, mailbox =, quota = }
---    accept_login      (session, identity)              accept
---    accept_sender     (session, sender)                accept
---    accept_recipient  (session, recipient)             accept{...}, discard
---    accept_data       (session, envelope)              accept
---    accept_message    (session, envelope, message)     accept, discard
---    on_delete         (session, mailbox, deletion)     keep, tempfail; nil deletes
---    on_connect, on_tls, on_command, on_reply, on_login, on_retrieved, on_disconnect, on_error
---                      (session, event)                 nothing; they only watch
---    on_start, on_stop ()                               nothing; the worker waits for them, at most
---                                                       lua.start_wall and lua.stop_wall
---    plugin:hook("accept_helo", function(session, name) mail.log.info(name) end, { protocol = "smtp" })
---@param name string
---@param fn function|moonpost.Backend
---@param filters? moonpost.Filters
function plugin:hook(name, fn, filters) end

---Which sessions a function wants.  Decided by the core: what fits none never enters Lua.
---@class moonpost.Filters
---@field priority? integer higher ones are asked first; 0
---@field listeners? string|string[] names of listeners of the configuration
---@field protocol? "smtp"|"pop3"
---@field services? string|string[] mta, submission, submissions, pop3, pop3s; smtp for the first three
---@field tls? boolean with, or without TLS
---@field signed_in? boolean with, or without a login

---Declare the options; errors name file and line of the configuration.
---@param declared table<string, { [1]: string, default?: any, optional?: boolean, of?: string, min?: number, max?: number, one_of?: any[] }>
---@return table
function plugin:options(declared) end

---@class moonpost.Timer
---@field running boolean a run is under way
---@field cancel fun(self: moonpost.Timer) no more runs; one under way finishes

---Call a function again and again, from the time on when the worker serves.  The first run is one
---interval after that, or at once with now = true.  There are never two runs at the same time: what
---comes due while one is under way is left out.  Each run has the limits of background work
---(lua.background_cpu, lua.background_wall); an error is logged and the next run comes all the same.
---
---on = "one worker" (default): in one worker of the server; when that one leaves, another takes over.
---on = "all workers": in each.  jitter: up to so many seconds later, anew for each run, so that many
---servers do not ask the same place at the same time.
---
---    plugin:every(300, function() list = download_list() end, { on = "all workers", now = true, jitter = 30 })
---@param seconds number 0.01 to 31 days
---@param fn fun()
---@param options? { on?: "one worker"|"all workers", jitter?: number, now?: boolean }
---@return moonpost.Timer
function plugin:every(seconds, fn, options) end

---A table that the plugin keeps under a name in this worker, also when its code is reloaded
---(`moonpost reload --plugin`): the new code gets the same table.
---
---    local seen = plugin:state("seen", {})
---@param name string
---@param default? table
---@return table
function plugin:state(name, default) end

---@class moonpost.Answer

---@class moonpost.Session
---@field id string
---@field protocol "smtp"|"pop3"
---@field service "mta"|"submission"|"submissions"|"pop3"|"pop3s"
---@field listener string
---@field remote { ip: string, port: integer }
---@field local { ip: string, port: integer }
---@field tls? { version: string, cipher: string, resumed: boolean, server_name?: string }
---@field helo? string
---@field user? string who signed in
---@field mailbox? string
---@field trusted boolean the peer may use XCLIENT
---@field loopback boolean
---@field data table the plugins' own
---@field closed boolean

---@class moonpost.Credentials
---@field mechanism string
---@field user string
---@field password string
---@field authzid string

---@class moonpost.Recipient
---@field address string
---@field localpart string
---@field detail string
---@field domain string
---@field size integer

---@class moonpost.Envelope
---@field sender string
---@field size integer
---@field body_8bit boolean
---@field smtputf8 boolean
---@field recipients { address: string, mailbox: string, discard: boolean }[]

---A message on its way in; while the hook runs.  Octets are those that came in, with our Received
---field and Return-Path in front.  The header shows what plugins changed so far; changes reach the
---octets when the message is accepted.  A header above 1 MiB can be neither seen nor changed (limit).
---@class moonpost.Message
---@field octets integer
local message = {}

---The unfolded value of the first field of that name (any case), or a list of all of them.
---
---    local subject = message:header "Subject" or ""
---    for _, value in ipairs(message:header("Received", true)) do mail.log.info(value) end
---@param name string
---@param all? boolean
---@return string|string[]|nil value
---@return string? why
---@return string? word limit or io
function message:header(name, all) end

---All fields in order, names as they are spelled, values unfolded.
---
---    for name, value in message:headers() do mail.log.info(name, { value = value }) end
---@return fun(): string?, string?
function message:headers() end

---Add a field behind the others, or with top = true in front of all but Return-Path.  Text that is not
---ASCII becomes encoded words (RFC 2047) unless the mail came with SMTPUTF8; long lines are folded.
---A value with CR, LF, other controls or broken UTF-8 is refused: nil, why, "protocol".
---In accept_message only.
---
---    message:add("X-Checked-By", mail.hostname)
---    message:add("Authentication-Results", mail.hostname .. "; none", { top = true })
---@param name string
---@param value string at most 64 KiB
---@param options? { top?: boolean }
---@return true? done
---@return string? why
---@return string? word protocol, limit or io
function message:add(name, value, options) end

---Replace the first field of that name and remove the others; add it where there is none.
---In accept_message only.
---
---    message:set("Subject", "[list] " .. (message:header "Subject" or ""))
---@param name string
---@param value string
---@return true? done
---@return string? why
---@return string? word protocol, limit or io
function message:set(name, value) end

---Remove all fields of that name.  In accept_message only.
---
---    message:remove "X-Spam-Flag"
---@param name string
---@return integer? removed how many there were
---@return string? why
---@return string? word limit or io
function message:remove(name) end

---The parts (RFC 2046), the message itself first, in the order of their beginnings.  At most 1000,
---20 deep; `limited` says that there is more than was taken apart.  Waits when the message is large.
---
---    for _, part in ipairs(message:parts()) do
---      if part.filename and part.filename:lower():find "%.exe$" then return mail.reject("5.7.1", "No programs") end
---    end
---@async
---@return moonpost.Part[]|nil parts with the field limited: boolean
---@return string? why
---@return string? word io
function message:parts() end

---Octets from offset (0), at most max (64 KiB; 16 MiB at most); "" at the end.
---
---    local first = message:read(0, 1000)
---@param offset? integer
---@param max? integer
---@return string? octets
---@return string? why
---@return string? word io
function message:read(offset, max) end

---The lines without CRLF, header and all; one longer than 64 KiB comes in pieces.
---
---    for line in message:lines() do if line == "" then break end end
---@return fun(): string?
function message:lines() end

---One part of a message; while the hook runs.
---@class moonpost.Part
---@field type string "text/plain"; lower case
---@field parameters table<string, string> of Content-Type; RFC 2231 undone
---@field charset? string
---@field disposition? string "attachment"; lower case
---@field filename? string of Content-Disposition, or name of Content-Type; decoded
---@field encoding? string "base64"; lower case
---@field id? string Content-ID without brackets
---@field offset integer of its body in the message
---@field octets integer of its body as it was sent
---@field depth integer 0: the message itself
---@field children integer
---@field number integer among the parts of its parent, from 1
---@field parent integer index in the list; 0: none
local part = {}

---A field of the part's own header, as message:header.
---
---    local description = part:header "Content-Description"
---@param name string
---@param all? boolean
---@return string|string[]|nil
function part:header(name, all) end

---Octets of the body as they were sent, from offset (0), at most max (64 KiB); "" at the end.
---
---    local magic = part:read(0, 4)
---@param offset? integer
---@param max? integer
---@return string? octets
---@return string? why
---@return string? word io
function part:read(offset, max) end

---The body with base64 or quoted-printable undone, in pieces of at most 48 KiB, any of which may be empty.
---
---    local size = 0
---    for octets in part:decode() do size = size + #octets end
---@return fun(): string?
function part:decode() end

---The decoded body as one string, when it has at most max octets (1 MiB; 16 MiB at most).
---
---    local text, why, word = part:content(65536)
---@param max? integer
---@return string? octets
---@return string? why
---@return string? word limit or io
function part:content(max) end

---A message that is about to be deleted; while on_delete runs.
---@class moonpost.Deletion
---@field uidl string
---@field mailbox string
---@field octets integer
---@field number integer
local deletion = {}

---The whole message, or at most max octets from offset.
---@async
---@param offset? integer
---@param max? integer
---@return string? octets
---@return string? why
function deletion:read(offset, max) end

---@class moonpost.Backend
---@field open fun(session: moonpost.Session, name: string): any, string?
---@field lock? fun(session: moonpost.Session, name: string): any, string?
---@field list? fun(box: any): { uid: any, size: integer, uidl?: string }[]
---@field uidl? fun(box: any, uid: any): string
---@field read? fun(box: any, uid: any, offset: integer, max: integer): string?, string?
---@field delete? fun(box: any, uids: any[]): true?, string?
---@field append? fun(name: string, message: moonpost.Message, envelope: moonpost.Envelope): true?, string?
---@field close? fun(box: any)

---@class moonpost
---@field version string
---@field hostname string
---@field default_domain? string
---@field workers integer
local mail = {}

---Yes.  mailbox and redirect: accept_recipient, mailbox: accept_delivery, address: accept_sender, user and quota: auth.
---@param options? { mailbox?: string, redirect?: string[], address?: string, user?: string, quota?: integer|table }
---@return moonpost.Answer
function mail.accept(options) end

---@param status? string enhanced status code of class 5
---@param text? string
---@return moonpost.Answer
function mail.reject(status, text) end

---@param status? string enhanced status code of class 4
---@param text? string
---@return moonpost.Answer
function mail.tempfail(status, text) end

---Say yes and throw it away.
---@return moonpost.Answer
function mail.discard() end

---@param status? string
---@param text? string
---@return moonpost.Answer
function mail.disconnect(status, text) end

---No opinion, but hold the answer that long.
---@param seconds number
---@return moonpost.Answer
function mail.delay(seconds) end

---on_delete: do not delete this message.
---@param reason? string
---@return moonpost.Answer
function mail.keep(reason) end

---All hooks: name, kind, arguments, the verdicts they may give, what they answer and what nil means.
---
---    for _, hook in ipairs(mail.hooks()) do mail.log.info(hook.name, { answers = hook.answers }) end
---@return { name: string, kind: "decide"|"provide"|"change"|"last"|"observe", arguments: string[], verdicts: string[], answers: string, nothing: string }[]
function mail.hooks() end

---@async
---@param seconds number
function mail.sleep(seconds) end

---Run a function with a time limit.  What it waits for when the time is over is cancelled, and its
---to-be-closed variables are released.  Errors of the function are raised here.  The time of the
---whole hook (lua.wall) goes on meanwhile.
---
---    local found, why, word = mail.timeout(2, slow_lookup, recipient.domain)
---    if not found then return mail.tempfail("4.4.3", why) end    -- word is "timeout" or the function's
---@async
---@param seconds number more than 0, up to 3600
---@param fn function
---@param ... any its arguments
---@return any ... what the function returned; or nil
---@return string? why "no answer after 2 s"
---@return "timeout"? word
function mail.timeout(seconds, fn, ...) end

---Run functions side by side and wait for all of them.  Their first results stand in the order of
---the functions; nil keeps its place, so the length is returned too.  An error in one cancels the
---others and is raised here.  Together they have the computing time (lua.cpu) and the turns of one
---call; at most lua.parallel_calls (100) of them live in one hook call.
---
---    local r, n = mail.all {
---      function() return lookup_sender(sender.address) end,
---      function() return lookup_network(session.remote.ip) end,
---    }
---    for i = 1, n do if r[i] then return mail.reject("5.7.1", r[i]) end end
---@async
---@param fns (fun(): any)[]
---@return any[] results
---@return integer n
function mail.all(fns) end

---Run functions side by side and wait for the first value that is not nil; the others are cancelled.
---An error in one cancels the others and is raised here.  When all return nil: nil, and what the
---last of them said behind it.  Limits as for mail.all.
---
---    local answer, which = mail.any { ask_first_server, ask_second_server }
---@async
---@param fns (fun(): any)[] at least one
---@return any value
---@return integer|string|nil index of its function; or why
---@return string? word
function mail.any(fns) end

---@class moonpost.Spawned
---@field running boolean
---@field cancel fun(self: moonpost.Spawned) it ends where it waits, or where it next waits

---Work in the background: it goes on when the hook has answered and its session is gone, and ends
---with the plugin.  Errors are logged.  Limits: lua.background_calls in one worker,
---lua.background_cpu and lua.background_wall for each.  May be used while the plugin loads.
---
---    mail.spawn(function(address) tell_the_webhook(address) end, recipient.address)
---@param fn function
---@param ... any its arguments
---@return moonpost.Spawned? handle
---@return string? why
---@return "limit"? word
function mail.spawn(fn, ...) end

---plugin:every for modules that have no plugin object.
---
---    mail.every(60, function() cache:expire() end)
---@param seconds number
---@param fn fun()
---@param options? { on?: "one worker"|"all workers", jitter?: number, now?: boolean }
---@return moonpost.Timer
function mail.every(seconds, fn, options) end

---@return number # seconds since 1970
function mail.now() end

---@param octets string
---@return string # 32 octets
function mail.sha256(octets) end

---@param key string
---@param octets string
---@return string # 32 octets
function mail.hmac_sha256(key, octets) end

---@param octets string
---@return string
function mail.hex(octets) end

---@param n? integer
---@return string # 0-9 a-z, nobody can guess it
function mail.random(n) end

mail.base64 = {}

---@param octets string
---@return string
function mail.base64.encode(octets) end

---@param text string
---@return string? octets
---@return string? why
function mail.base64.decode(text) end

mail.log = {}

---@param event string
---@param pairs? table<string, any>
function mail.log.debug(event, pairs) end

---@param event string
---@param pairs? table<string, any>
function mail.log.info(event, pairs) end

---@param event string
---@param pairs? table<string, any>
function mail.log.notice(event, pairs) end

---@param event string
---@param pairs? table<string, any>
function mail.log.warn(event, pairs) end

---@param event string
---@param pairs? table<string, any>
function mail.log.error(event, pairs) end

mail.users = {}

---@param name string
---@return { name: string, mailbox: string, disabled: boolean, quota: table }? user
---@return string? why
---@return string? word notfound: there is no store that could know more
function mail.users.get(name) end

---Keys for SCRAM, APOP, CRAM-MD5; the answer of a `secret` hook.
---@param name string
---@return table? secret
---@return string? why
function mail.users.secret(name) end

---The identity, or false when it is not theirs; nil and why when it cannot be told.
---@async
---@param name string
---@param password string
---@return table|false|nil identity
---@return string? why
function mail.users.verify(name, password) end

mail.crypt = {}

---nil as the hash takes as long as one, and is never right.
---@async
---@param hash string?
---@param password string
---@return boolean
function mail.crypt.verify(hash, password) end

---@async
---@param password string
---@return string? hash yescrypt
---@return string? why
function mail.crypt.hash(password) end

---Files under the paths that the plugin's options name with { "file" }.  Failures are nil, a text
---and a word: notfound, exists, denied, nospace, busy or io.
mail.file = {}

---@async
---@param path string
---@param offset? integer
---@param max? integer
---@param how? { crlf?: boolean }
---@return string? octets
---@return string? why
---@return string? word
function mail.file.read(path, offset, max, how) end

---@async
---@param path string
---@param how? { crlf?: boolean }
---@return { size: integer, mtime: number, kind: "file"|"directory", crlf_size?: integer }? stat
---@return string? why
---@return string? word
function mail.file.stat(path, how) end

---@async
---@param path string
---@return string[]? names
---@return string? why
---@return string? word
function mail.file.list(path) end

---@async
---@param path string
---@param data string|moonpost.Message|(string|moonpost.Message|{ mbox: string })[]
---@param how? { append?: boolean, exclusive?: boolean, sync?: boolean }
---@return true? done
---@return string? why
---@return string? word
function mail.file.write(path, data, how) end

---@async
---@param from string
---@param to string
---@param how? { sync?: boolean }
---@return true? done
---@return string? why
---@return string? word
function mail.file.rename(from, to, how) end

---@async
---@param paths string|string[]
---@return true? done
---@return string? why
---@return string? word
function mail.file.remove(paths) end

---@async
---@param path string
---@return true? done
---@return string? why
---@return string? word
function mail.file.mkdir(path) end

---@async
---@param path string
---@return true? done
---@return string? why
---@return string? word
function mail.file.sync(path) end

---@async
---@param path string
---@return { close: fun(self: any) }? lock
---@return string? why
---@return string? word
function mail.file.lock(path) end

---A dictionary: small values under names in the store process, so that all workers see the same.
---Values are strings, whole numbers and booleans, and come back as what they were. Failures are nil, a
---text and a word: limit (the key or value is too long, or there is no room), type (incr found no
---number), nospace (the disk is full), store (the store process is away: what became of a change is
---not known).
---@class moonpost.Dict
local dict = {}

---The value, or nil when there is none or its time is over.
---
---    local seen = dict:get(session.remote.ip)
---@async
---@param key string
---@return string|integer|boolean|nil value
---@return string? why
---@return string? word
function dict:get(key) end

---Keep the value for ttl seconds, 0: for ever; without ttl for the dictionary's own.
---
---    dict:set(session.remote.ip, true, 3600)
---@async
---@param key string
---@param value string|integer|boolean
---@param ttl? number
---@return true? done
---@return string? why
---@return string? word
function dict:set(key, value, ttl) end

---The same, but only where there is no value: else false and the value that is there. Of several
---sessions that try at once one gets true.
---
---    if dict:add(message_id, true, 300) then forward(message) end
---@async
---@param key string
---@param value string|integer|boolean
---@param ttl? number
---@return boolean? done
---@return any value_or_why
---@return string? word
function dict:add(key, value, ttl) end

---Add `by` (1, may be negative) to a number, 0 where there is none, and get the sum. The ttl counts from
---the first of a counter's steps. When the sum would be more than max: false and the number as it is.
---
---    local today = dict:incr(session.user, 1, 86400)
---@async
---@param key string
---@param by? integer
---@param ttl? number
---@param max? integer
---@return integer|false|nil sum
---@return any number_or_why
---@return string? word
function dict:incr(key, by, ttl, max) end

---Whether there was one.
---
---    dict:delete(session.remote.ip)
---@async
---@param key string
---@return boolean? there
---@return string? why
---@return string? word
function dict:delete(key) end

---Compare and set: the value takes the place of the expected one, which may be nil (there is none); a
---value nil removes it. Else false and the value that is there.
---
---    repeat
---      local old = dict:get(key)
---      local done, why, word = dict:cas(key, old, change(old))
---    until done or word
---@async
---@param key string
---@param expected string|integer|boolean|nil
---@param value string|integer|boolean|nil
---@param ttl? number
---@return boolean? done
---@return any value_or_why
---@return string? word
function dict:cas(key, expected, value, ttl) end

---Entries whose key begins with the prefix, in the order of keys, at most limit (100, at most 1000) of
---them and about a mebioctet; with `after` those behind that key. More: there are others behind.
---
---    for _, entry in ipairs(dict:list("198.51.100.", 50)) do print(entry.key, entry.value) end
---@async
---@param prefix? string
---@param limit? integer
---@param after? string
---@return { key: string, value: string|integer|boolean }[]? entries
---@return boolean|string|nil more_or_why
---@return string? word
function dict:list(prefix, limit, after) end

---A dictionary of this plugin; while the plugin loads. The same name is the same dictionary in every
---worker and after a reload.
---
---durable: on disk, there after a restart; changes are flushed before they return, reading does not ask
---the store process. Else in its memory, which is quicker and empty after a restart.
---ttl: seconds that entries live when set does not say; 0: for ever.
---shared: a dictionary that all plugins see under this name.
---full: "evict" (what was unused longest goes when the memory is full) or "refuse" (its entries never
---go, new ones fail with the word limit). Durable ones always refuse.
---
---    local seen = mail.dict("seen", { durable = true, ttl = 36 * 86400 })
---@param name string letters, digits, _ - .
---@param options? { durable?: boolean, ttl?: number, shared?: boolean, full?: "evict"|"refuse" }
---@return moonpost.Dict
function mail.dict(name, options) end

---Token buckets, one for each key, in the store process: all workers take from the same ones.
---@class moonpost.Limit
local limit = {}

---Take n (1) tokens: true and how many whole ones are left; or false and the seconds to wait until there
---are enough, as a whole number and exactly. 0 takes nothing and shows what is left. nil, a text and a
---word: limit (n is more than the burst), store (the store process is away); decide then whether to let
---pass. A bucket that is full again is forgotten; with memory full, the buckets unused longest are full
---again sooner.
---
---    local ok, wait = limit:take(session.remote.ip)
---    if ok == false then
---      return mail.tempfail("4.7.1", ("Too fast, try again in %d seconds"):format(wait))
---    end
---@async
---@param key string
---@param n? number
---@return boolean? allowed
---@return integer|string left_wait_or_why
---@return number|string|nil exactly_or_word
function limit:take(key, n) end

---A limit of this plugin; while the plugin loads. A bucket holds `burst` tokens and gets `rate` per
---second; in a time t nobody takes more than burst + rate * t, over all workers.
---
---    local messages = mail.limit { name = "messages", rate = 100 / 3600, burst = 20 }
---@param options { name: string, rate: number, burst: number, shared?: boolean }
---@return moonpost.Limit
function mail.limit(options) end

---What was looked up a moment ago, any Lua value, in this worker alone.
---@class moonpost.Cache
local cache = {}

---The value that is kept. When there is none and a loader is given: what the loader(key) returns, which
---may wait. A value is kept for ttl; nil alone (there is none) for negative_ttl; nil and a text (it
---failed) is not kept. Sessions that ask for the key meanwhile wait for the same result. An error of the
---loader is an error in all of them; when its session goes, one of them runs its own loader.
---
---    local user, why = users:get(name, function(key) return look_up(key) end)
---@async
---@param key string
---@param loader? fun(key: string): any, string?, string?
---@return any value
---@return string? why
---@return string? word
function cache:get(key, loader) end

---Keep a value for ttl seconds, or the cache's own; 0: not at all.
---
---    users:set(name, user, 5)
---@param key string
---@param value any
---@param ttl? number
function cache:set(key, value, ttl) end

---Whether there was something.
---
---    users:delete(name)
---@param key string
---@return boolean there
function cache:delete(key) end

---Forget everything.
---
---    users:clear()
function cache:clear() end

---A cache of at most size (1000) entries; what was unused longest goes. ttl (60) and negative_ttl (10):
---seconds; 0: not kept. Keys have at most 1024 octets; longer ones are looked up each time.
---
---    local users = mail.cache { size = 5000, ttl = 300, negative_ttl = 30 }
---@param options? { size?: integer, ttl?: number, negative_ttl?: number }
---@return moonpost.Cache
function mail.cache(options) end

return mail
