# The library is optimised as a whole, a tenth fewer instructions per message (SB_LTO). Objects hold both forms, so that
# tests link as fast as before: only sb_shared_library asks for the whole.
set(SB_LTO_LINK)
if(SB_LTO AND NOT SB_SANITIZE AND NOT SB_FUZZ AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(SB_LTO_COMPILE -flto -ffat-lto-objects)
  set(SB_LTO_LINK -flto=auto)
  add_link_options($<$<NOT:$<BOOL:$<TARGET_PROPERTY:SB_WHOLE>>>:-fno-lto>)
endif()
