-- The lessons of spec/dialogues, in process.  spec/wire drives the same files over sockets.
local dialogue = require "spec.support.dialogue"
local pop3 = require "spec.support.pop3"

---A session as spec/support/dialogue.lua sees a server.
local function peer(options)
  local session = pop3.new {
    mailbox = { pop3.message(120), pop3.message(200) }, tls_available = options.tls_available,
  }
  local first = true
  return {
    send = function(_, octets) session:feed(octets) end,
    receive = function()
      local octets = session:read_all()
      if octets ~= "" or first then
        first = false
        return octets
      end
      return session:wants() ~= "close" and "" or nil
    end,
    start_tls = function() session:tls_started() end,
  }
end

describe("the dialogue", function()
  for _, script in ipairs(dialogue.all("pop3_")) do
    for _, mode in ipairs { "line", "byte", "all" } do
      it(("%s: %s (%s)"):format(script.path:match("[^/]+$"), script.title, mode), function()
        dialogue.run(script, peer(script.options), mode)
      end)
    end
  end
end)
