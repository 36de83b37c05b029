# What a distribution would add, on by default (SB_HARDEN); tests/hardening looks at the built files. A sanitizer build
# does without: the two do not mix.
include(CheckPIESupported)
include(CheckCCompilerFlag)
check_pie_supported(LANGUAGES C)

if(SB_HARDEN AND NOT SB_SANITIZE)
  add_compile_options(-fstack-protector-strong -Wformat -Werror=format-security)
  check_c_compiler_flag(-fcf-protection=full SB_HAS_CET)
  if(SB_HAS_CET)
    add_compile_options(-fcf-protection=full)
  endif()
  check_c_compiler_flag(-fstack-clash-protection SB_HAS_STACK_CLASH)
  if(SB_HAS_STACK_CLASH)
    add_compile_options(-fstack-clash-protection)
  endif()
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug") # fortified calls need -O
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()
