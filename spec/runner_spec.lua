-- runner_spec.lua: the program `cresset`: scripts, options, the prompt.

local shell = require "spec.support.shell"
local cresset = shell.cresset

local function has(text, ...)
  for _, words in ipairs { ... } do
    assert(text:find(words, 1, true), ("lacks '%s': %s"):format(words, text))
  end
end

describe("the runner", function()
  local folder = shell.folder()
  teardown(function() os.execute("rm -rf " .. folder) end)

  local function script(text)
    shell.write(folder .. "/script.lua", text)
    return folder .. "/script.lua"
  end

  it("runs a script with its arguments", function()
    local path = script "print(#arg, arg[0] ~= nil, ...) print((require 'cresset').tensor{1,2}:sum():item())"
    local text, status = cresset(path .. " one 'two words'")
    assert.equal(0, status)
    has(text, "2\ttrue\tone\ttwo words", "3")
  end)

  it("needs no environment, from any folder", function()
    local here = io.popen("pwd"):read "l"
    local binary = shell.runner:sub(1, 1) == "/" and shell.runner or here .. "/" .. shell.runner
    local text = shell.run(("cd / && env -u LUA_PATH -u LUA_CPATH %s %s"):format(binary,
      script "print(require('cresset').zeros(2):sum():item())"))
    has(text, "0.0")
  end)

  it("works through a symbolic link", function()
    local here = io.popen("pwd"):read "l"
    local binary = shell.runner:sub(1, 1) == "/" and shell.runner or here .. "/" .. shell.runner
    os.execute(("ln -sf %s %s/linked"):format(binary, folder))
    has((shell.run("env -u LUA_PATH -u LUA_CPATH " .. folder .. "/linked -e 'print(cr.ones(3):sum():item())'")), "3.0")
  end)

  it("reports an error of a script with a traceback, and fails", function()
    local text, status = cresset(script "local function f() error 'oh no' end\nf()")
    assert.equal(1, status)
    has(text, "script.lua:1: oh no", "traceback")
  end)

  it("reports a script that is missing or does not parse", function()
    local text, status = cresset(folder .. "/none.lua")
    assert.equal(1, status)
    has(text, "none.lua")
    text, status = cresset(script "local = 5")
    assert.equal(1, status)
    has(text, "script.lua:1:")
  end)

  it("prints warnings, unless -W asks for silence", function()
    local path = script "local cr = require 'cresset' cr.mse_loss(cr.ones(4, 1), cr.ones(4)) warn 'mine'"
    has((cresset(path)), "broadcast", "mine")
    assert.equal("", (cresset("-W " .. path)))
    has((cresset("-W " .. script "warn '@on' warn 'mine'")), "mine")
    has((cresset("-e 'cr.mse_loss(cr.ones(4, 1), cr.ones(4))'")), "broadcast")
    has((cresset("-i", "cr.warn 'from the prompt'\n")), "from the prompt")
    assert.falsy((cresset("-i -W", "cr.warn 'from the prompt'\n")):find("Lua warning", 1, true))
  end)

  it("runs code given with -e, in which cr is the module", function()
    local text, status = cresset "-e 'x = cr.tensor{1,2,3}' -e 'print(x:sum():item())'"
    assert.equal(0, status)
    has(text, "6")
    text, status = cresset "-e 'error \"bad\"'"
    assert.equal(1, status)
    has(text, "bad")
  end)

  it("prints its version", function()
    local text, status = cresset "--version"
    assert.equal(0, status)
    has(text, "resset " .. require "cresset".version, "Lua 5.4")
  end)

  it("prints its usage, and refuses unknown options with it", function()
    local text, status = cresset "--help"
    assert.equal(0, status)
    has(text, "usage", "-e", "-i", "--version")
    text, status = cresset "--nonsense"
    assert.equal(1, status)
    has(text, "--nonsense", "usage")
    text, status = cresset "-e"
    assert.equal(1, status)
    has(text, "-e")
  end)

  it("runs standard input if that is no terminal", function()
    has((cresset("", "print(require('cresset').tensor{4,5}:sum():item())")), "9")
    has((cresset("- arg1", "print(...)")), "arg1")
  end)
end)

describe("the prompt", function()
  local home = shell.folder()
  teardown(function() os.execute("rm -rf " .. home) end)

  -- Types the lines and returns what the session printed.
  local function session(lines) return (shell.run(("HOME=%s TERM=dumb %s -i"):format(home, shell.runner), lines)) end

  it("prints the values of expressions", function()
    local text = session "1 + 1\ncr.tensor { 1, 2 }\n'a', nil\n"
    has(text, "2", "[int64 tensor of size 2]", "a\tnil")
  end)

  it("keeps globals from line to line", function() has(session "x = cr.ones(3)\nx:sum():item()\n", "3.0") end)

  it("reads chunks that span lines", function()
    has(session "for i = 1, 3 do\n  print('line ' .. i)\nend\n", "line 1", "line 3")
    has(session "cr.tensor {\n1, 2,\n3 }:sum():item()\n", "6")
  end)

  it("shows an error in one line, and its traceback on request", function()
    local text = session "function f() return cr.ones(2) + cr.ones(3) end\nf()\n1 + 41\n:traceback\n"
    has(text, "add", "42", "traceback", "in function 'f'")
    local first = text:match "[^\n]*add[^\n]*\n([^\n]*)"
    assert.is_nil(first:find "traceback")
  end)

  it("tells of operations with :help", function() has(session ":help softmax\n", "softmax(") end)

  it("names its commands when one is unknown", function() has(session ":bogus\n", "bogus", ":help") end)

  it("tells what the table of operations on lists is", function()
    has(session 'cr = require "cresset"\ncr.foreach\n', "cr.foreach.NAME(list, ...)")
  end)

  describe("on Tab", function()
    local cr, repl = require "cresset", require "cresset.repl"
    setup(function() _G.completion_probe = { cr = cr, x = cr.zeros(2), alpha = 1, alphabet = 2 } end)
    teardown(function() _G.completion_probe = nil end)

    it("completes globals", function()
      assert.same({ "e", { "completion_probe" } }, { repl.complete "print(completion_prob" })
    end)

    it("completes what all candidates have in common", function()
      assert.same({ "pha", { "alpha", "alphabet" } }, { repl.complete "completion_probe.al" })
    end)

    it("completes methods after a colon and fields after a dot", function()
      assert.same({ "x", { "log_softmax" } }, { repl.complete "completion_probe.x:log_softma" })
      assert.same({ "_grad", { "requires_grad" } }, { repl.complete "completion_probe.x.requires" })
      assert.same({ "", {} }, { repl.complete "completion_probe.x.softma" })
    end)

    it("completes the operations on lists, and the tables of the module", function()
      assert.same({ "_", { "adam_" } }, { repl.complete "completion_probe.cr.foreach.adam" })
      assert.same({ "ts", { "stats" } }, { repl.complete "completion_probe.cr.memory.sta" })
      assert.same({ "", {} }, { repl.complete "completion_probe.cr.memory.nope" })
    end)

    it("finds nothing behind nil", function() assert.same({ "", {} }, { repl.complete "no.such.thing" }) end)
  end)

  -- A machine without pseudo-terminals (a bare chroot) cannot show these.
  if shell.exists "script" and shell.run("script -qec true /dev/null"):find("pseudo", 1, true) == nil then
    -- The same in a terminal, where keys have meanings. Each group of keys waits for the prompt.
    local function terminal(...)
      local typed = {}
      for _, keys in ipairs { ... } do typed[#typed + 1] = "sleep 0.5; printf " .. shell.quote(keys) end
      typed[#typed + 1] = "sleep 0.5"
      return (shell.run(("{ %s; } | HOME=%s TERM=xterm timeout 20 script -qec %s /dev/null"):format(
        table.concat(typed, "; "), home, shell.quote(shell.runner))))
    end

    it("greets and leaves with Ctrl-D in a terminal", function()
      has(terminal("6 * 7\\n", "\\004"), "Cresset", "42")
    end)

    it("completes the methods of a tensor with Tab", function()
      has(terminal("x = cr.ones(2)\\n", "x:softpl\\t", "():sum():item() > 2\\n", "\\004"), "us():sum", "true")
    end)

    it("keeps its history from one session to the next", function()
      terminal("remember_me = 5\\n", "\\004")
      has(terminal("\\020", "\\n", "\\004"), "remember_me = 5")
    end)

    -- The thread sanitizer holds signals back while a program computes.
    if not shell.build:find "/tsan$" then
      it("stops what is running, not the session, with Ctrl-C", function()
        local text = terminal("while true do end\\n", "\\003", "x = cr.ones(9)\\n", "while true do x = x + 1 end\\n",
          "\\003", "half a line", "\\003", "6 * 7\\n", "\\004")
        has(text, "42")
        assert.equal(2, select(2, text:gsub("interrupted", "")))
      end)
    end
  end
end)

describe("a local of the prompt", function()
  -- What the lines print, one value a line, without the prompts.
  local function prompt(...)
    local text = cresset("-i", table.concat({ ... }, "\n") .. "\n")
    return (text:gsub(">+ ", ""):gsub("\n+$", ""))
  end

  it("outlives its line", function()
    assert.equal("5\n6\n6", prompt("local x = 5", "x", "x = x + 1", "x", "print(x)"))
    assert.equal("1\t2\tnil", prompt("local a, b, c = 1, 2", "a, b, c"))
    assert.equal("10", prompt("local function f(n) return n * 2 end", "f(5)"))
    assert.equal("nil", prompt("local x = 5", "_G.x"))
  end)

  it("is one variable for all who see it, until a new one takes its name", function()
    assert.equal("2\n2\tnew\n2", prompt("local x = 1", "function get() return x end", "x = 2", "get()",
      "local x = 'new'", "get(), x", "get()"))
    assert.equal("1\t2", prompt("local x = 1", "local y = x + 1", "x, y"))
  end)

  it("may be declared over several lines, behind strings and comments, and before a return", function()
    assert.equal("1\t2", prompt("local t = {", "  1,", "  2 }", "t[1], t[2]"))
    assert.equal("local q\t[[\tnil", prompt("local s, r = 'local q', [==[[[]==] -- local u", "s, r, u"))
    assert.equal("7\n7", prompt("local v = 7 return v", "v"))
  end)

  it("inside a block is the block's", function()
    assert.equal("nil\nnil\nnil\n3", prompt("do local a = 1 end", "a", "for i = 1, 2 do local b = i end", "b",
      "local f = function() local c = 3 return c end", "c", "f()"))
  end)

  it("that is constant stays so", function()
    assert.equal("3\nprompt:1: attempt to assign to const variable 'x'\n3",
      prompt("local x <const> = 3", "x", "x = 4", "x"))
    assert.equal("1", prompt("local x <const> = cr.ones(1)", "x:numel()"))
  end)

  it("that is <close> is closed at the end of its line, and is gone", function()
    local declared = "local c <close> = setmetatable({}, { __close = function() print 'closed' end })"
    assert.equal("closed\nnil", prompt(declared, "c"))
  end)

  it("is left out where its chunk fails", function()
    assert.equal("prompt:1: no\nnil", prompt("local x = error 'no'", "x"))
  end)
end)
