-- The configuration of moonpost.  Paths are relative to this file.  Try a change with
--     moonpost check
-- and bring it in without a restart with
--     moonpost reload
-- README.md explains every key.
return {
  hostname = "mail.example.com",           -- our name in greetings; the DNS must know it
  domains  = { "example.com" },            -- we take mail for these

  user    = "moonpost",                    -- everything but the ports runs as this user
  store   = { path = "/var/lib/moonpost" },
  runtime = "/run/moonpost",

  tls = {
    certificates = {
      -- { chain = "/etc/letsencrypt/live/mail.example.com/fullchain.pem",
      --   key   = "/etc/letsencrypt/live/mail.example.com/privkey.pem" },
    },
  },

  listeners = {
    { service = "mta",  address = "*:25" },
    { service = "pop3", address = "*:110" },
    -- these need a certificate
    -- { service = "submission",  address = "*:587" },
    -- { service = "submissions", address = "*:465" },
    -- { service = "pop3s",       address = "*:995" },
  },

  log = { level = "info" },                -- to standard error, which systemd keeps in the journal

  plugins = { "auth_users" },             -- accounts of `moonpost user`; asked in this order
}
