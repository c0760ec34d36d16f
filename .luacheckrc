std = "lua54"
max_line_length = 120
codes = true
exclude_files = { "build/**" }
files["spec"] = { std = "lua54+busted" }
files["spec/oracle"] = { max_line_length = false } -- recorded values
files["spec/tails"] = { max_line_length = false }
files["src/ops"] = { std = "lua54", globals = { "kernel", "op", "ops" } }
