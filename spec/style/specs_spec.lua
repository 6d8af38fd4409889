-- The spec of core/a/b.c is spec/a/b_spec.lua; where it is another one, this list says which and why.
local tree = require "spec.support.tree"

local elsewhere = {
  -- the loader is seen through the file it loads, Lua through plugins
  ["core/script/answer.c"] = "spec/script/policy_spec.lua",
  ["core/script/arguments.c"] = "spec/script/policy_spec.lua",
  ["core/script/call.c"] = "spec/script/policy_spec.lua",
  ["core/script/config_keys.c"] = "spec/script/config_spec.lua",
  ["core/script/config_lines.c"] = "spec/script/config_spec.lua",
  ["core/script/config_listeners.c"] = "spec/script/config_spec.lua",
  ["core/script/config_options.c"] = "spec/script/plugin_spec.lua",
  ["core/script/config_parts.c"] = "spec/script/config_spec.lua",
  ["core/script/config_plugins.c"] = "spec/script/config_spec.lua",
  ["core/script/config_read.c"] = "spec/script/config_spec.lua",
  ["core/script/config_run.c"] = "spec/script/config_spec.lua",
  ["core/script/coroutine.c"] = "spec/script/guard_spec.lua",
  ["core/hook/reason.c"] = "spec/server/why_spec.lua",
  ["core/command/why.c"] = "spec/server/why_spec.lua",
  ["core/script/deletion.c"] = "spec/plugins/archive_spec.lua",
  ["core/script/failure.c"] = "spec/script/policy_spec.lua",
  ["core/script/filters.c"] = "spec/script/policy_spec.lua",
  ["core/script/lib_hooks.c"] = "spec/lua/hooks_spec.lua",
  ["core/script/dicts.c"] = "spec/script/lib_dict_spec.lua",
  ["core/script/ledger.c"] = "spec/script/reload_spec.lua",
  ["core/script/files.c"] = "spec/script/lib_spec.lua",
  ["core/script/handle.c"] = "spec/script/lib_spec.lua",
  ["core/script/job.c"] = "spec/script/lib_spec.lua",
  ["core/script/lib_async.c"] = "spec/script/policy_spec.lua",
  ["core/script/lib_bytes.c"] = "spec/script/lib_spec.lua",
  ["core/script/lib_file.c"] = "spec/script/lib_spec.lua",
  ["core/script/lib_log.c"] = "spec/script/lib_spec.lua",
  ["core/script/lib_users.c"] = "spec/script/lib_spec.lua",
  ["core/script/options.c"] = "spec/script/plugin_spec.lua",
  ["core/script/pattern_lib.c"] = "spec/script/pattern_spec.lua",
  ["core/script/session.c"] = "spec/script/lib_spec.lua",
  ["core/script/state.c"] = "spec/script/sandbox_spec.lua",
  ["core/script/users.c"] = "spec/plugins/auth_spec.lua",
  ["core/script/values.c"] = "spec/script/plugin_spec.lua",
  ["core/script/mailbox.c"] = "spec/plugins/mailbox_spec.lua",
  ["core/script/maildrop.c"] = "spec/plugins/mailbox_spec.lua",
  ["core/script/delivery.c"] = "spec/plugins/mailbox_spec.lua",
  -- seen from outside, through a real server
  ["core/server/board.c"] = "spec/server/accept_spec.lua",
  ["core/server/certificates.c"] = "spec/wire/hooks_spec.lua",
  ["core/server/channel.c"] = "spec/server/process_spec.lua",
  ["core/server/status.c"] = "spec/server/control_spec.lua",
  ["core/server/store_process.c"] = "spec/server/master_spec.lua",
  ["core/server/title.c"] = "spec/server/process_spec.lua",
  ["core/server/transcript.c"] = "spec/server/control_spec.lua",
  ["core/server/worker.c"] = "spec/server/process_spec.lua",
  ["core/server/notify.c"] = "spec/server/master_spec.lua",
  ["core/command/access.c"] = "spec/command/user_spec.lua",
  ["core/command/commands.c"] = "spec/command/command_spec.lua",
  ["core/command/drop.c"] = "spec/command/mailbox_spec.lua",
  ["core/command/foreign_maildir.c"] = "spec/command/mailbox_import_spec.lua",
  ["core/command/foreign_mbox.c"] = "spec/command/mailbox_import_spec.lua",
  ["core/command/mailbox_export.c"] = "spec/command/mailbox_import_spec.lua",
  ["core/command/password.c"] = "spec/command/user_spec.lua",
  ["core/command/table.c"] = "spec/command/user_spec.lua",
  ["core/command/trace.c"] = "spec/command/remote_spec.lua",
  ["core/hook/crc32c.c"] = "spec/hook/message_spec.lua",
  -- parts of the store that are seen through its client or its maintenance
  ["core/store/copy.c"] = "spec/store/backup_spec.lua",
  ["core/store/dict_service.c"] = "spec/store/dict_durable_spec.lua",
  ["core/store/env.c"] = "spec/store/store_spec.lua",
  ["core/store/mailbox.c"] = "spec/store/client_mailbox_spec.lua",
  ["core/store/provider.c"] = "spec/store/apply_spec.lua",
  ["core/store/record.c"] = "spec/store/client_directory_spec.lua",
}

describe("every file of core", function()
  it("has its spec, or a line here that says where it is tested", function()
    local wrong = {}
    for _, path in ipairs(tree.files("^core/.+%.c$")) do
      local folder, file = path:match("^core/([^/]+)/([^/]+)%.c$")
      local spec = ("spec/%s/%s_spec.lua"):format(folder, file)
      local other = elsewhere[path]
      if not tree.exists(spec) and not (other and tree.exists(other)) then
        wrong[#wrong + 1] = path .. ": no " .. spec
      end
    end
    assert.same({}, wrong)
  end)

  it("is not in the list when it has a spec of its own", function()
    for path in pairs(elsewhere) do
      local spec = path:gsub("^core/", "spec/"):gsub("%.c$", "_spec.lua")
      assert.is_false(tree.exists(spec), path)
      assert.is_true(tree.exists(path), path)
    end
  end)
end)
