std = "lua54"
codes = true
max_line_length = 120
exclude_files = { "build", "var" }
files["spec"] = { std = "+busted", max_line_length = 140 }
