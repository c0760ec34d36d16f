# Makefile: everything that is built, tested and installed. One make process does all of it: no
# makefile calls another, and every variant (release, sanitize, ...) has rules of its own, so `make -j`
# is safe across targets.
#
#   make demo | test           the two commands: each installs what is missing, builds, and runs
#   make all                   build/lib, build/bin; THREADS=0: without threads, in build/single
#   make cuda                  build/lib/libcresset_cuda.so, for which nvcc must be there
#   make test-levels           the numerical specs at each lower level of the instruction set
#   make fuzz SEED= CALLS=     random calls of every operation through Lua and C; fuzz-sanitize: sanitized;
#                              fuzz-cuda: on the emulated device; fuzz-sanitize-cuda: both
#   make fuzz-io SEED= SECONDS=  files of every format, damaged at random, sanitized
#   make sanitize              the specs under the address and undefined-behaviour sanitizers (build/sanitize)
#   make tsan                  the specs under the thread sanitizer (build/tsan)
#   make test-cuda             the specs on the emulated device; sanitize-cuda: sanitized
#   make conformance           how much of PyTorch's recorded answers is given here, by family, and on the emulated device
#   make coverage              the share of src's lines and branches that the specs run, per folder (needs gcovr)
#   make lint                  luacheck, clang-format, and a build with clang
#   make cuda-check            all of it on a CUDA device: specs, sanitizer, numbers; one table
#   make cuda-kit              what a machine without packages needs for that, in build/kit
#   make bench                 ours against PyTorch, where python3 has it; ROW=name: some rows
#   make bench-grid SEED= ROWS=  the same for rows drawn from all operations, dtypes, sizes, layouts and data
#   make instructions          instructions per small call against those recorded; RECORD=1 records
#   make pauses                how long single calls wait for the collector, with 0 to a million tensors alive
#   make scaling               each kernel's time against size and threads; ONLY=name: some of them
#   make install PREFIX=...    header, libraries, pkg-config files, Lua modules, runner
#   make uninstall PREFIX=...  takes away what install put there
#   make check-install         installs to a scratch prefix and builds examples/embed.c against it
#   make docs                  the pages that programs write: docs/tour.md, docs/architecture.svg; the manual as HTML,
#                              with an example of each operation, in build/doc/site/html
#   make deps | env | clean    installs what is missing; what plain Lua needs to find the module; removes build
#   make help                  this list
#
# Without -j a build takes all cores; -j1 takes one.
#
# Variables: CC, CFLAGS, SPEC (what `make test` runs, spec/ by default: files, folders, options of busted), SKIP (names
# of spec files that are left out), NVARCH (the generations that make cuda compiles for: 80 90), JOBS (spec files side by side; as many as processors), RESULTS (a file that
# `make bench` writes its table to; bench/RESULTS.md), PREFIX, DESTDIR, V=1 (show commands).

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# All cores, unless the command line or the environment speaks of jobs, or several targets are to be made in
# their order.
ifneq ($(filter 0 1,$(words $(MAKECMDGOALS))),)
ifeq ($(shell { tr '\0' '\n' < /proc/$$PPID/cmdline | grep -E '^(-[a-zA-Z]*j|--jobs)'; \
  printf '%s' "$$MAKEFLAGS" | grep -E -e '-j|jobserver'; } 2>/dev/null),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif
endif

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
SPEC   ?= spec
LUA    := lua5.4
VERSION := $(shell sed -n 's/^\#define CR_VERSION "\(.*\)"/\1/p' src/cresset.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

# ---- What must be on the machine ---------------------------------------------------------------
# Each line of a probe names the Debian package that is missing; nothing missing, nothing called.

has_command = command -v $(1) >/dev/null || echo $(2);
has_module  = pkg-config --exists $(1) 2>/dev/null || echo $(2);
has_header  = echo '\#include <$(1)>' | $(CC) -E - >/dev/null 2>&1 || echo $(2);

PROBE_build = $(call has_command,$(CC),build-essential) \
  $(call has_header,stdlib.h,build-essential) \
  $(call has_command,pkg-config,pkg-config) \
  $(call has_command,$(LUA),lua5.4) \
  $(call has_module,lua5.4,liblua5.4-dev) \
  $(call has_module,libedit,libedit-dev) \
  $(call has_header,dnnl.h,libdnnl-dev) \
  $(LUA) -e 'require "busted.runner"' >/dev/null 2>&1 || echo lua-busted;
PROBE_lint = $(call has_command,clang,clang) $(call has_command,clang-format,clang-format) \
  ls /usr/lib/llvm-*/lib/libomp.so >/dev/null 2>&1 || echo libomp-dev; \
  $(call has_command,luacheck,lua-check)

PROBE_docs = $(call has_command,mkdocs,mkdocs)

PROBE_instructions = $(call has_command,valgrind,valgrind)

# $(call provide,probe): installs what the probe finds missing, and fails with a sentence if it cannot.
define provide
missing=$$({ $(1) } | sort -u | tr '\n' ' '); \
if [ -n "$$missing" ]; then \
  command -v apt-get >/dev/null || \
    { echo "no apt-get here: install what these Debian packages hold: $$missing" >&2; exit 1; }; \
  if [ "$$(id -u)" = 0 ]; then as=env; \
  elif command -v sudo >/dev/null; then as="sudo env"; \
  else echo "this needs root, and there is no sudo: have these Debian packages installed: $$missing" >&2; exit 1; fi; \
  echo "installing: $$missing"; \
  $$as apt-get update -q && \
  $$as DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing || exit 1; \
  missing=$$({ $(1) } | sort -u | tr '\n' ' '); \
  [ -z "$$missing" ] || { echo "still missing after apt-get install: $$missing" >&2; exit 1; }; \
fi
endef

.PHONY: deps help
deps:
	@$(call provide,$(PROBE_build))

# The comment at the head of this file, from its first empty line on.
help:
	@awk '!/^#/ { exit } shown { sub(/^# ?/, ""); print } /^#$$/ { shown = 1 }' $(firstword $(MAKEFILE_LIST))

# Make remakes this file first and starts over, so the rest may rely on what it finds.
build/config.mk: Makefile
	@$(call provide,$(PROBE_build))
	@mkdir -p $(@D)
	@{ echo "LUA_CFLAGS := $$(pkg-config --cflags lua5.4)"; \
	   echo "LUA_LIBS := $$(pkg-config --libs lua5.4)"; \
	   echo "EDIT_CFLAGS := $$(pkg-config --cflags libedit)"; \
	   echo "EDIT_LIBS := $$(pkg-config --libs libedit)"; \
	   echo "ARCH := $$(uname -m)"; } > $@

build/lint.ok: Makefile
	@$(call provide,$(PROBE_lint))
	@mkdir -p $(@D) && touch $@

build/gcovr.ok:
	@command -v gcovr >/dev/null || \
	  { echo "make coverage: no gcovr here; on Debian: apt-get install gcovr" >&2; exit 1; }
	@mkdir -p $(@D) && touch $@

ifneq ($(filter-out clean env deps help uninstall cuda-check,$(or $(MAKECMDGOALS),all)),)
include build/config.mk
endif

# ---- Sources -----------------------------------------------------------------------------------

# The catalogue becomes C. The generator touches a file only if its text changes, so the stamp stands
# for "has run" and the files for "what came of it".
GEN_STAMP := build/gen/.stamp
CATALOGUE := $(wildcard src/ops/*.lua src/catalogue/*.lua)

LAYERS     := base device cpu cpu/loops tensor autograd ops io
LIB_SRC    := $(wildcard $(LAYERS:%=src/%/*.c))
GEN_SRC    := build/gen/ops.c build/gen/api.c
GEN_H      := $(addprefix build/gen/,kernels.h op_ids.h cresset_ops.h pointwise.inc quick.inc cpu_table.inc \
  catalogue_id.h cuda_table.inc slots.h slot_views.inc runs.h calls.h)
SHIM_SRC   := $(wildcard src/onednn/*.c)
LOOP_SRC   := $(wildcard src/cpu/loops/*.c)
BIND_SRC   := $(wildcard src/binding/*.c)
RUN_SRC    := $(wildcard src/runner/*.c)
CUDA_SRC   := $(wildcard cuda/runtime/*.cu cuda/kernels/*.cu)
EMU_SRC    := $(wildcard cuda/emulate/*.cpp)
LUA_SRC    := $(shell find lua -name '*.lua')
C_FILES    := $(wildcard src/*.[ch] src/*/*.[ch] src/*/*/*.[ch] examples/*.c spec/c/*.[ch])

# Vector loops are compiled once for each level of the instruction set and chosen at load.
ifeq ($(ARCH),x86_64)
ISAS := v2 v3 v4
ISA_FLAGS = -march=x86-64-$(1)
else
ISAS := base
ISA_FLAGS =
endif

# ---- Compiling and linking, once for each variant ------------------------------------------------

# clang tells where a loop that asks for vectors gets none (a call without a vector form, say).
WARN  = -Wall -Wextra -Werror $(if $(findstring clang,$(1)),-Wno-pass-failed)
# No contraction: every instruction set gives the same digits. No stubs (PLT) on the way to Lua or, with
# -Bsymbolic-functions, from one public function to another: a small call makes dozens of such steps.
BASE  := -std=gnu11 -D_GNU_SOURCE -fPIC -fno-plt -fvisibility=hidden -DCR_BUILD -fopenmp-simd \
  -ffp-contract=off -fno-math-errno -fno-trapping-math -fwrapv
# gcc for x86 copies and clears what has a bound, such as the sizes of a tensor, by an instruction that takes
# 30 cycles to start (rep movs, rep stos); the C library needs a third of it.
BLOCKS = $(if $(findstring x86_64,$(ARCH)),$(if $(findstring clang,$(1)),,-mmemcpy-strategy=libcall:-1:noalign \
  -mmemset-strategy=libcall:-1:noalign))
# THREADS=0: a library that never starts a thread, in a folder of its own.
THREADS ?= 1
SINGLE := $(filter 0,$(THREADS))
NO_THREADS := $(SINGLE:0=-DCR__NO_THREADS)
# Aligned: else a loop's time depends on where the linker puts it (argmax took 1.0 or 1.5 ms).
FAST  := -O3 -falign-functions=64 -falign-loops=32
# gcc splits a loop's body by what its choices have in common (jump threading), and computes each part for all.
# loops_small.c has choices and no such bodies.
UNSPLIT = $(if $(findstring clang,$(1))$(findstring loops_small,$(2)),,-fno-thread-jumps)
LIBS  := -lm -ldl -lpthread

# -g1: the lines that a sanitizer names, without the types and variables that only a debugger asks for.
SAN := -O1 -g1 -fno-omit-frame-pointer
DIR_release := build$(SINGLE:0=/single)
CC_release  = $(CC)
OPT_release = $(strip $(CFLAGS) $(NO_THREADS))
FAST_release = $(FAST)
# Loops start no threads: with or without, they are the same.
DIR_shared  := build
CC_shared    = $(CC)
OPT_shared   = $(strip $(CFLAGS))
FAST_shared  = $(FAST)
LOOPS_release := $(SINGLE:0=build)
DIR_clang   := build/clang
CC_clang    := clang
NEEDS_clang := build/lint.ok
OPT_clang    = $(CFLAGS)
FAST_clang   = $(FAST)
# For clang's warnings, which come before it optimizes: nothing runs it.
DIR_lint    := build/lint
CC_lint     := clang
NEEDS_lint  := build/lint.ok
OPT_lint    := -O0
DIR_sanitize := build/sanitize
CC_sanitize   = $(CC)
OPT_sanitize := $(SAN) -fsanitize=address,undefined -fno-sanitize-recover=all
DIR_tsan    := build/tsan
CC_tsan      = $(CC)
OPT_tsan    := $(SAN) -fsanitize=thread

# Not optimized, so that what is counted is what was written. The loops are the release's, and are not counted:
# each is compiled from one text several times.
DIR_coverage := build/coverage
CC_coverage   = $(CC)
# The counting library's own symbols stay inside.
OPT_coverage := -O0 -g --coverage -fprofile-update=prefer-atomic -Wl,--exclude-libs,libgcov.a
LOOPS_coverage = $(DIR_release)
NEEDS_coverage := build/gcovr.ok

VARIANTS := release clang lint sanitize tsan coverage $(SINGLE:0=shared)

$(GEN_STAMP): $(CATALOGUE) build/config.mk
	@mkdir -p $(@D)
	$(call say,gen,$(@D))$(LUA) src/catalogue/gen.lua build/gen
	@touch $@
# Runs again only if one of the files was deleted.
$(GEN_SRC) $(GEN_H) &: $(GEN_STAMP)
	@for f in $(GEN_SRC) $(GEN_H); do [ -e $$f ] || exec $(LUA) src/catalogue/gen.lua build/gen; done

# A line for each file made; V=1 shows the commands.
say = $(if $(filter 1,$(V)),,@printf '%-5s %s\n' $(1) $(2); )

# $(call variant,name)
define variant
COMPILE_$(1) = $$(CC_$(1)) $$(BASE) $$(call BLOCKS,$$(CC_$(1))) $$(call WARN,$$(CC_$(1))) $$(OPT_$(1))
# A change of compiler or flags rebuilds; the file is written only if the line differs.
$(DIR_$(1))/flags: force | $(NEEDS_$(1))
	@mkdir -p $$(@D)
	@line='$$(COMPILE_$(1)) $$(FAST_$(1)) $$(call UNSPLIT,$$(CC_$(1)))'; \
	[ "$$$$(cat $$@ 2>/dev/null)" = "$$$$line" ] || echo "$$$$line" > $$@

OBJ_$(1)  := $$(patsubst src/%.c,$(DIR_$(1))/obj/%.o,$$(filter-out $$(LOOP_SRC),$$(LIB_SRC))) \
  $$(GEN_SRC:build/%.c=$(DIR_$(1))/obj/%.o) \
  $$(foreach isa,$$(ISAS),$$(LOOP_SRC:src/%.c=$(or $(LOOPS_$(1)),$(DIR_$(1)))/obj/%.$$(isa).o))
BIND_$(1) := $$(BIND_SRC:src/%.c=$(DIR_$(1))/obj/%.o)
SHIM_$(1) := $$(SHIM_SRC:src/%.c=$(DIR_$(1))/obj/%.o)
RUN_$(1)  := $$(RUN_SRC:src/%.c=$(DIR_$(1))/obj/%.o)
OUT_$(1)  := $(DIR_$(1))/lib/libcresset.so $(DIR_$(1))/lib/libcresset_dnnl.so \
  $(DIR_$(1))/lib/cresset/core.so $(DIR_$(1))/bin/cresset

$(DIR_$(1))/obj/%.o: src/%.c $(DIR_$(1))/flags | $(GEN_STAMP)
	@mkdir -p $$(@D)
	$$(call say,cc,$$@)$$(COMPILE_$(1)) $$(if $$(findstring /cpu/,$$@),$$(FAST_$(1))) \
	  $$(INCLUDE) -MMD -MP -c $$< -o $$@
$(DIR_$(1))/obj/binding/%.o $(DIR_$(1))/obj/runner/%.o: INCLUDE += $$(LUA_CFLAGS) $$(EDIT_CFLAGS)
$(DIR_$(1))/obj/gen/%.o: build/gen/%.c $(DIR_$(1))/flags
	@mkdir -p $$(@D)
	$$(call say,cc,$$@)$$(COMPILE_$(1)) $$(INCLUDE) -MMD -MP -c $$< -o $$@
$$(foreach isa,$$(ISAS),$$(eval $$(call loops,$(1),$$(isa))))

# One object: a linker would not look into an archive for kernels, which are weak in their table.
$(DIR_$(1))/obj/libcresset.o: $$(OBJ_$(1))
	$$(call say,link,$$@)$$(CC_$(1)) -r -nostdlib -o $$@ $$^
$(DIR_$(1))/lib/libcresset.a: $(DIR_$(1))/obj/libcresset.o
	@mkdir -p $$(@D) && rm -f $$@
	$$(call say,ar,$$@)ar rcs $$@ $$^
$(DIR_$(1))/lib/libcresset.so.$(SOVERSION): $$(OBJ_$(1))
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(CC_$(1)) $$(OPT_$(1)) -shared -Wl,-z,nodelete -Wl,-z,defs \
	  -Wl,-Bsymbolic-functions -Wl,-soname,libcresset.so.$(SOVERSION) -o $$@ $$^ $$(LIBS)
$(DIR_$(1))/lib/libcresset.so: $(DIR_$(1))/lib/libcresset.so.$(SOVERSION)
	@ln -sf $$(<F) $$@
# oneDNN is 30 MB to load, so it waits behind a library of its own until the first large product.
$(DIR_$(1))/lib/libcresset_dnnl.so: $$(SHIM_$(1))
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(CC_$(1)) $$(OPT_$(1)) -shared -Wl,-z,nodelete -o $$@ $$^ -ldnnl -lgomp
# Linked to no liblua: the host program has one.
$(DIR_$(1))/lib/cresset/core.so: $$(BIND_$(1)) $(DIR_$(1))/lib/libcresset.so
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(CC_$(1)) $$(OPT_$(1)) -shared -Wl,-z,nodelete \
	  -Wl,-soname,libcresset-lua.so.$(SOVERSION) \
	  '-Wl,-rpath,$$$$ORIGIN:$$$$ORIGIN/..:$$$$ORIGIN/../../..' \
	  -o $$@ $$(BIND_$(1)) -L$(DIR_$(1))/lib -lcresset
$(DIR_$(1))/bin/cresset: $$(RUN_$(1)) $(DIR_$(1))/lib/libcresset.so
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(CC_$(1)) $$(OPT_$(1)) '-Wl,-rpath,$$$$ORIGIN/../lib' -o $$@ $$(RUN_$(1)) \
	  -L$(DIR_$(1))/lib -lcresset $$(LUA_LIBS) $$(EDIT_LIBS)

# CUDA's files as C++, with the headers of cuda/emulate in the place of CUDA's.
EMU_$(1) := $$(CUDA_SRC:cuda/%.cu=$(DIR_$(1))/obj/cuda/%.o) \
  $$(EMU_SRC:cuda/%.cpp=$(DIR_$(1))/obj/cuda/%.o)
EMULATE_$(1) = $$(subst clang,clang++,$$(subst gcc,g++,$$(CC_$(1)))) $$(CXX_BASE) \
  $$(call WARN,$$(CC_$(1))) $$(OPT_$(1)) $$(EMU_OPT) -Icuda/emulate -Icuda $$(INCLUDE) -MMD -MP
$(DIR_$(1))/obj/cuda/%.o: cuda/%.cu $(DIR_$(1))/flags | $(GEN_STAMP)
	@mkdir -p $$(@D)
	$$(call say,emu,$$@)$$(EMULATE_$(1)) -x c++ -c $$< -o $$@
$(DIR_$(1))/obj/cuda/emulate/%.o: cuda/emulate/%.cpp $(DIR_$(1))/flags
	@mkdir -p $$(@D)
	$$(call say,emu,$$@)$$(EMULATE_$(1)) -c $$< -o $$@
$(DIR_$(1))/lib/libcresset_cuda_emulated.so: $$(EMU_$(1)) $$(CUDA_HELP:%=$(DIR_$(1))/obj/%.o) \
  cuda/runtime/plugin.map
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(subst clang,clang++,$$(subst gcc,g++,$$(CC_$(1)))) $$(OPT_$(1)) -shared \
	  $$(PLUGIN_LD:%=-Xlinker %) -o $$@ $$(filter %.o,$$^) $$(LIBS)

.PHONY: build-$(1) build-$(1)-cuda
build-$(1): $$(OUT_$(1))
build-$(1)-cuda: build-$(1) $(DIR_$(1))/lib/libcresset_cuda_emulated.so
-include $$(shell find $(DIR_$(1))/obj -name '*.d' 2>/dev/null)
endef

# $(call loops,variant,isa)
define loops
$(DIR_$(1))/obj/cpu/%.$(2).o: src/cpu/%.c $(DIR_$(1))/flags | $(GEN_STAMP)
	@mkdir -p $$(@D)
	$$(call say,cc,$$@)$$(COMPILE_$(1)) $$(FAST_$(1)) $$(call UNSPLIT,$$(CC_$(1)),$$<) $$(call ISA_FLAGS,$(2)) \
	  -DCR__ISA=$(2) $$(INCLUDE) -MMD -MP -c $$< -o $$@
endef

INCLUDE = -Isrc -Ibuild/gen

# ---- CUDA ----------------------------------------------------------------------------------------

# The plug-in shares no symbol with libcresset: it has these helpers of layer 1 to itself.
CUDA_HELP := base/dtype base/shape cpu/iter
PLUGIN_LD := --version-script=cuda/runtime/plugin.map -z nodelete -z defs
CXX_BASE  := -std=gnu++17 -D_GNU_SOURCE -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno \
  -fno-trapping-math -fwrapv -Wno-unknown-pragmas

NVCC ?= $(firstword $(wildcard $(shell command -v nvcc) /usr/local/cuda/bin/nvcc))
# These generations get machine code; chips after the last one compile its PTX.
NVARCH ?= 80 90
gencode = -gencode arch=compute_$(1),code=$(2)_$(1)
NVFLAGS := -std=c++17 -O3 $(foreach a,$(NVARCH),$(call gencode,$(a),sm)) \
  $(call gencode,$(lastword $(NVARCH)),compute) -Xfatbin -compress-all -Werror all-warnings \
  -Xcompiler -fPIC,-fvisibility=hidden,-fno-math-errno,-fwrapv,-Wall,-Wno-unknown-pragmas
CUDA_OBJ := $(CUDA_SRC:cuda/%.cu=build/obj/nvcc/%.o)

# What computes with the functions that CPU and CUDA share: no contraction of a * b + c here either.
CUDA_EXACT := $(addprefix kernels/,create distance random reduce rnn sample scan softmax update) \
  $(patsubst cuda/%.cu,%,$(wildcard cuda/kernels/pointwise_*.cu))
$(CUDA_EXACT:%=build/obj/nvcc/%.o): NVFLAGS += -fmad=false

.PHONY: cuda
ifeq ($(NVCC),)
cuda:
	@echo "make cuda: no nvcc on the PATH or in /usr/local/cuda/bin; install NVIDIA's CUDA toolkit" \
	  "or give NVCC=/path/to/nvcc. Everything else works without: make all, make test-cuda." >&2
	@exit 1
else
cuda: $(DIR_release)/lib/libcresset_cuda.so
endif
build/obj/nvcc/%.o: cuda/%.cu | $(GEN_STAMP)
	@mkdir -p $(@D)
	$(call say,nvcc,$@)$(NVCC) $(NVFLAGS) -Icuda $(INCLUDE) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(DIR_release)/lib/libcresset_cuda.so: $(CUDA_OBJ) $(CUDA_HELP:%=$(DIR_release)/obj/%.o) cuda/runtime/plugin.map
	@mkdir -p $(@D)
	$(call say,link,$@)$(NVCC) -shared -cudart static -o $@ $(filter %.o,$^) \
	  $(foreach f,$(PLUGIN_LD),-Xlinker $(f)) -ldl

# Kernels are many and run on few elements here: compiling them is most of what they cost, and watched ones that are
# optimized take up to 20 times as long as those that stay as written.
EMU_OPT := -g1
build/obj/cuda/kernels/pointwise_%.o: EMU_OPT := -O1 -g1
build/sanitize/obj/cuda/kernels/%.o: EMU_OPT := -O0 -g1

$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))

# What people (reference.md) and editors (cresset.d.lua) read of the catalogue.
MANUAL := build/doc/reference.md build/doc/cresset.d.lua
build/doc/.stamp: $(CATALOGUE) lua/cresset/entries.lua $(wildcard lua/cresset/*/entries.lua) src/cresset.h build/config.mk
	@mkdir -p $(@D)
	$(call say,gen,$(@D))$(LUA) src/catalogue/manual.lua build/doc
	@touch $@
$(MANUAL): build/doc/.stamp ;

# The pages of docs/ that programs write; they are kept in the tree, and docs_spec.lua compares.
# The manual as HTML has the examples' output in it, so the library comes first.
.PHONY: docs
docs: all
	$(LUA) src/catalogue/tour.lua docs/tour.md
	$(LUA) src/catalogue/architecture.lua docs/architecture.svg
	@($(call provide,$(PROBE_docs))) || true
	@rm -rf build/doc/site && mkdir -p build/doc/site
	@$(call with,release) $(LUA) src/catalogue/site.lua build/doc/site
	@if command -v mkdocs >/dev/null; then \
	  cd build/doc/site && mkdocs build -q && echo "build/doc/site/html/index.html is the manual"; \
	else echo "no mkdocs here: the manual's pages are Markdown, in build/doc/site/pages"; fi

.PHONY: all force
all: build-release $(DIR_release)/lib/libcresset.a $(MANUAL)
force:

# ---- Running -------------------------------------------------------------------------------------

# $(call with,variant): the environment in which plain Lua finds a variant's build.
with = CRESSET_BUILD='$(DIR_$(1))' LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' \
  LUA_CPATH='$(CURDIR)/$(DIR_$(1))/lib/?.so;;'
BUSTED = $(shell command -v busted) --ignore-lua
# $(call by_default,names): what a target skips where the caller names no SPEC.
by_default = $(if $(filter file,$(origin SPEC)),$(1))
# $(call specs,variant,lua,files,name): runs spec files side by side, each in a process of its own.
specs = $(LUA) spec/run.lua --seconds=$(DIR_$(1))/seconds$(4) $(JOBS:%=--jobs=%) --skip='$(SKIP)' \
  $(2) $(BUSTED) -- $(3)

.PHONY: env cuda-check cuda-kit demo test test-levels fuzz fuzz-io fuzz-sanitize fuzz-cuda fuzz-sanitize-cuda test-cuda \
  conformance sanitize sanitize-cuda tsan coverage bench bench-grid instructions pauses scaling lint clean
env:
	@echo "export LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;'"
	@echo "export LUA_CPATH='$(CURDIR)/$(DIR_release)/lib/?.so;;'"
	@echo "export PATH='$(CURDIR)/$(DIR_release)/bin':\"\$$PATH\""

demo: all
	$(DIR_release)/bin/cresset examples/losses.lua
	@printf '%s\n' '' 'What to try next:' \
	  '  $(DIR_release)/bin/cresset                        a prompt: :help, and Tab completes' \
	  '  $(DIR_release)/bin/cresset examples/flowers.lua   a classifier that learns' \
	  '  docs/tutorial.md                         ten minutes from the first tensor to a trained network' \
	  '  make test                                the specs; make help lists all targets'

# With CRESSET_CUDA set, the specs' tensors live on that device: CRESSET_CUDA=emulate make test.
EMULATING := $(filter emulate,$(CRESSET_CUDA))
test: all $(EMULATING:emulate=build-release-cuda)
	@$(call with,release) $(if $(CRESSET_CUDA),$(ON_CUDA)) $(call specs,release,$(LUA),$(SPEC),$(CRESSET_CUDA:%=-%))
ON_CUDA = CRESSET_CUDA='$(CRESSET_CUDA)' CRESSET_SPEC_DEVICE=cuda
test-cuda sanitize-cuda fuzz-cuda fuzz-sanitize-cuda: CRESSET_CUDA := emulate
# Files that have no tensor on a device, whatever CRESSET_SPEC_DEVICE says: those that neither speak of cr.cuda nor take
# tensors, or what makes them, from spec/support.
ON_DEVICE := values\.(device|from_list|generate|scatter|leaf|tensor|plain)\b|cr\.cuda|support\.(?!values|shell|program|dist)
HOST_SPECS = $(basename $(notdir $(shell grep -LP '$(ON_DEVICE)' spec/*_spec.lua)))
# Memory that is given back is overwritten, so that who works with it too long fails.
test-cuda: SKIP ?= $(call by_default,$(HOST_SPECS))
test-cuda: all build-release-cuda
	@$(call with,release) $(ON_CUDA) CRESSET_CUDA_CACHE=scrub $(call specs,release,$(LUA),$(SPEC),-cuda)

# FAMILY=names: some of them. On the device of the environment, or else the emulated one.
conformance: all $(if $(CRESSET_CUDA),$(EMULATING:emulate=build-release-cuda),build-release-cuda)
	@$(call with,release) CRESSET_CUDA=$(or $(CRESSET_CUDA),emulate) $(LUA) spec/conformance.lua $(FAMILY)

# The numerical specs at the lower levels of the instruction set, which the best one hides.
NUMERICAL := $(wildcard $(addprefix spec/,ops_spec.lua tails_spec.lua float_math_spec.lua halves_spec.lua modulo_spec.lua \
  sort_spec.lua random_spec.lua))
test-levels: all
	@for level in $(filter-out v4 base,$(ISAS)); do \
	  echo "CRESSET_ISA=$$level"; \
	  $(call with,release) CRESSET_ISA=$$level $(call specs,release,$(LUA),$(NUMERICAL),-$$level) || exit 1; done

# The runner is instrumented as the rest, so it takes the place of plain Lua here.
# With the engine's own products, for oneDNN is not instrumented; GEMM=onednn: with oneDNN's wherever it can.
GEMM ?= builtin
SANITIZED = CRESSET_GEMM=$(GEMM) ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
sanitize: build-sanitize
	@$(call with,sanitize) $(SANITIZED) \
	  $(call specs,sanitize,build/sanitize/bin/cresset,$(SPEC))
# Failing every allocation on the emulated device takes long enough without sanitizers: test-cuda does that.
sanitize-cuda: SKIP ?= $(call by_default,oom_spec $(HOST_SPECS))
sanitize-cuda: build-sanitize-cuda
	@$(call with,sanitize) $(ON_CUDA) $(SANITIZED) CRESSET_CUDA_CACHE=0 \
	  $(call specs,sanitize,build/sanitize/bin/cresset,$(SPEC),-cuda)
# Failing every allocation in turn tells nothing of threads, and the sanitizer's own memory explodes.
tsan: SKIP ?= $(call by_default,oom_spec)
tsan: build-tsan
	@$(call with,tsan) $(call specs,tsan,build/tsan/bin/cresset,$(SPEC))

# Twice: plain, and what is about devices on the emulated one, whose plug-in is the release's. Counts of an earlier
# run are dropped first. isa_spec computes again what others do.
coverage: SKIP ?= $(call by_default,isa_spec)
coverage: build-coverage build-release-cuda
	@find build/coverage/obj -name '*.gcda' -delete
	@ln -sf $(CURDIR)/$(DIR_release)/lib/libcresset_cuda_emulated.so build/coverage/lib
	@$(call with,coverage) $(call specs,coverage,$(LUA),$(SPEC))
	@$(call with,coverage) CRESSET_CUDA=emulate CRESSET_SPEC_DEVICE=cuda \
	  $(call specs,coverage,$(LUA),$(wildcard spec/cuda_*.lua),-cuda)
	@gcovr -r . --filter src/ --filter build/gen/ \
	  --csv build/coverage/files.csv build/coverage/obj
	@$(LUA) spec/coverage.lua build/coverage/files.csv

# Random calls through Lua and through C; build/fuzz.log and build/fuzz_c.log name the last one, for the case
# that it ended the process.
SEED  ?= 1
CALLS ?= 300000
build/fuzz/wrappers.inc: spec/c/wrappers.lua $(GEN_STAMP)
	@mkdir -p $(@D)
	@$(LUA) spec/c/wrappers.lua build/gen/cresset_ops.h $@
define fuzz_rules # $(1): the variant
$$(DIR_$(1))/fuzz/fuzz: spec/c/fuzz.c spec/c/fuzz_arguments.h build/fuzz/wrappers.inc | build-$(1)
	@mkdir -p $$(@D)
	$$(CC_$(1)) -std=c11 -D_GNU_SOURCE $$(call WARN,$$(CC_$(1))) $$(OPT_$(1)) -Isrc -Ibuild/gen -Ibuild/fuzz \
	  $$< -o $$@ -L$$(DIR_$(1))/lib -lcresset -lm -Wl,-rpath,$$(CURDIR)/$$(DIR_$(1))/lib
endef
$(foreach v,release sanitize,$(eval $(call fuzz_rules,$(v))))
fuzz: all build/fuzz/fuzz
	$(call with,release) $(DIR_release)/bin/cresset spec/fuzz.lua $(SEED) $(CALLS) build/fuzz.log
	build/fuzz/fuzz $(SEED) $(CALLS) build/fuzz_c.log
fuzz-sanitize: build-sanitize build/sanitize/fuzz/fuzz
	$(call with,sanitize) $(SANITIZED) \
	  build/sanitize/bin/cresset spec/fuzz.lua $(SEED) $(CALLS) build/fuzz.log
	$(SANITIZED) build/sanitize/fuzz/fuzz $(SEED) $(CALLS) build/fuzz_c.log
# Damaged files of each format, for so many seconds of the processor each; the last one stays in build/fuzz_io.
SECONDS ?= 20
fuzz-io: build-sanitize
	$(call with,sanitize) $(SANITIZED) build/sanitize/bin/cresset spec/fuzz_io.lua $(SEED) $(SECONDS)
fuzz-cuda: build-release-cuda build/fuzz/fuzz
	$(call with,release) $(ON_CUDA) $(DIR_release)/bin/cresset spec/fuzz.lua $(SEED) $(CALLS) build/fuzz.log
	$(ON_CUDA) build/fuzz/fuzz $(SEED) $(CALLS) build/fuzz_c.log cuda
fuzz-sanitize-cuda: build-sanitize-cuda build/sanitize/fuzz/fuzz
	$(call with,sanitize) $(ON_CUDA) $(SANITIZED) CRESSET_CUDA_CACHE=0 \
	  build/sanitize/bin/cresset spec/fuzz.lua $(SEED) $(CALLS) build/fuzz.log
	$(call with,sanitize) $(ON_CUDA) $(SANITIZED) CRESSET_CUDA_CACHE=0 \
	  build/sanitize/fuzz/fuzz $(SEED) $(CALLS) build/fuzz_c.log cuda

# For a machine with a CUDA device; OUT names the folder of the table, KIT one that cuda-kit filled.
cuda-check:
	@OUT='$(OUT)' KIT='$(KIT)' bench/cuda_check.sh
cuda-kit: all $(if $(EMULATING),build-release-cuda,cuda)
	@bench/cuda_kit.sh

# ROW=name: the rows with that in their name. The table goes to RESULTS if all rows are there.
RESULTS ?= bench/RESULTS.md
bench: all
	@$(call with,release) $(LUA) bench/run.lua $(if $(ROW),--row '$(ROW)') --results $(RESULTS)

# ONLY=name: of the operations with that in their name.
ROWS ?= 300
bench-grid: all
	@$(call with,release) $(LUA) bench/grid.lua --seed $(SEED) --rows $(ROWS) $(if $(ONLY),--only '$(ONLY)')

# Where valgrind is not and cannot be, this says so and passes.
instructions: all
	@($(call provide,$(PROBE_instructions))) || true
	@$(call with,release) CC='$(CC)' CRESSET_NUM_THREADS=1 \
	  $(LUA) bench/instructions.lua $(if $(RECORD),--record)

pauses: all
	@$(call with,release) build/bin/cresset bench/pauses.lua

# Times against sizes and threads: bench/scaling.md and .svg.
scaling: all
	@$(call with,release) $(LUA) bench/scaling.lua --out bench $(if $(ONLY),--only '$(ONLY)')

lint: build/lint.ok build-lint
	luacheck -q src lua spec examples bench
	clang-format --dry-run -Werror $(C_FILES)

# ---- Installing ----------------------------------------------------------------------------------

BINDIR = $(PREFIX)/bin
LIBDIR = $(PREFIX)/lib
LUADIR = $(PREFIX)/share/lua/5.4
DOCDIR = $(PREFIX)/share/doc/cresset
LUACDIR = $(LIBDIR)/lua/5.4
D = $(DESTDIR)
SO := libcresset.so.$(SOVERSION)
pc = sed -e 's|@PREFIX@|$(PREFIX)|;s|@VERSION@|$(VERSION)|' $(1).in > '$(D)$(LIBDIR)/pkgconfig/$(1)'

.PHONY: install install-modules uninstall check-install
# What `require "cresset"` needs.
install-modules: all
	install -d '$(D)$(LIBDIR)' '$(D)$(LUACDIR)/cresset'
	install -m 755 $(DIR_release)/lib/$(SO) $(DIR_release)/lib/libcresset_dnnl.so '$(D)$(LIBDIR)'
	install -m 755 $(DIR_release)/lib/cresset/core.so '$(D)$(LUACDIR)/cresset'
	if [ -f $(DIR_release)/lib/libcresset_cuda.so ]; then \
	  install -m 755 $(DIR_release)/lib/libcresset_cuda.so '$(D)$(LIBDIR)'; fi
	for f in $(LUA_SRC:lua/%=%); do install -D -m 644 lua/$$f '$(D)$(LUADIR)'/$$f || exit 1; done

# The binding lies where Lua looks for modules; hosts link to it under the name beside libcresset.
install: install-modules
	install -d $(foreach d,$(BINDIR) $(PREFIX)/include $(LIBDIR)/pkgconfig $(DOCDIR),'$(D)$(d)')
	install -m 755 $(DIR_release)/bin/cresset '$(D)$(BINDIR)'
	install -m 644 src/cresset.h build/gen/cresset_ops.h '$(D)$(PREFIX)/include'
	install -m 644 $(DIR_release)/lib/libcresset.a '$(D)$(LIBDIR)'
	ln -sf $(SO) '$(D)$(LIBDIR)/libcresset.so'
	ln -srf '$(D)$(LUACDIR)/cresset/core.so' '$(D)$(LIBDIR)/libcresset-lua.so.$(SOVERSION)'
	ln -sf libcresset-lua.so.$(SOVERSION) '$(D)$(LIBDIR)/libcresset-lua.so'
	install -m 644 README.md CHANGELOG.md LICENSE $(MANUAL) '$(D)$(DOCDIR)'
	install -d '$(D)$(DOCDIR)/docs'
	install -m 644 $(PAGES) '$(D)$(DOCDIR)/docs'
	$(call pc,cresset.pc)
	$(call pc,cresset-lua.pc)

PAGES := $(wildcard docs/*.md docs/*.svg)
# All that install and install-modules put there, and the folders that are ours alone.
INSTALLED = $(BINDIR)/cresset $(addprefix $(PREFIX)/include/,cresset.h cresset_ops.h) \
  $(addprefix $(LIBDIR)/,$(SO) libcresset.so libcresset.a libcresset_dnnl.so libcresset_cuda.so \
    libcresset-lua.so libcresset-lua.so.$(SOVERSION) pkgconfig/cresset.pc pkgconfig/cresset-lua.pc) \
  $(LUACDIR)/cresset/core.so $(LUA_SRC:lua/%=$(LUADIR)/%) \
  $(addprefix $(DOCDIR)/,README.md CHANGELOG.md LICENSE $(notdir $(MANUAL)) $(PAGES))
OWN_FOLDERS = $(LUACDIR)/cresset $(sort $(patsubst %/,%,$(dir $(LUA_SRC:lua/%=$(LUADIR)/%)))) $(DOCDIR)/docs $(DOCDIR)
remove_installed = rm -f $(foreach f,$(INSTALLED),'$(D)$(f)') && \
  for d in $(foreach f,$(OWN_FOLDERS),'$(D)$(f)'); do [ ! -d "$$d" ] || rmdir --ignore-fail-on-non-empty "$$d"; done
uninstall:
	$(remove_installed)

# A stranger's view: nothing but the prefix and pkg-config.
check-install: PREFIX := $(CURDIR)/build/prefix
check-install: DESTDIR :=
check-install: install
	PKG_CONFIG_PATH=$(LIBDIR)/pkgconfig; export PKG_CONFIG_PATH; \
	$(CC) -Wall -Wextra -Werror examples/embed.c -o build/prefix/embed \
	  $$(pkg-config --cflags --libs cresset-lua lua5.4)
	build/prefix/embed
	cd / && $(PREFIX)/bin/cresset -e 'print((cr.tensor { 1, 2, 3 } * 2):sum():item())'
	rm build/prefix/embed && $(remove_installed)
	left=$$(find build/prefix ! -type d) && [ -z "$$left" ] || { echo "uninstall has left: $$left" >&2; exit 1; }

clean:
	rm -rf build
