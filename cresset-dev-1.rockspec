-- `luarocks make` builds the checkout that this file lies in.
rockspec_format = "3.0"
package = "cresset"
version = "dev-1"
source = { url = "git+file://." }
description = {
  summary = "Tensors and automatic differentiation",
  detailed = "A small C engine with PyTorch's semantics and Lua's habits, for scripts and for hosts.",
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua ~> 5.4" }
build = {
  type = "make",
  build_target = "all",
  install_target = "install-modules",
  install_variables = { LUADIR = "$(LUADIR)", LUACDIR = "$(LIBDIR)", LIBDIR = "$(LIBDIR)" },
}
