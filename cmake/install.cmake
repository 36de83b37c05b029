# What an installation holds: the library, its headers, the program, the nginx module, pkg-config and CMake packages.
include(CMakePackageConfigHelpers)

if(NOT TARGET signalbox_so)
  return()
endif()

set(include_root ${CMAKE_INSTALL_INCLUDEDIR}/signalbox)
target_include_directories(signalbox_so INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
  $<INSTALL_INTERFACE:${include_root}>)
install(TARGETS signalbox_so EXPORT signalbox LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
set_target_properties(signalbox_so PROPERTIES EXPORT_NAME signalbox)

# The headers refer to each other as "engine/x.h" and "lua/script.h"; both roots go to one folder of ours.
file(GLOB headers ${PROJECT_SOURCE_DIR}/engine/*.h)
install(FILES ${headers} DESTINATION ${include_root}/engine)
install(FILES ${PROJECT_SOURCE_DIR}/lua/script.h DESTINATION ${include_root}/lua)
install(FILES ${PROJECT_SOURCE_DIR}/modules/library/board.h ${PROJECT_SOURCE_DIR}/modules/library/plan.h
  ${PROJECT_SOURCE_DIR}/modules/library/api.h DESTINATION ${include_root}/modules/library)
file(GLOB annotations ${PROJECT_SOURCE_DIR}/lua/*.d.lua)
install(FILES ${annotations} DESTINATION ${CMAKE_INSTALL_DATADIR}/signalbox)
file(GLOB examples ${PROJECT_SOURCE_DIR}/examples/*.lua)
install(FILES ${examples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

if(TARGET signalbox)
  install(TARGETS signalbox RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/signalbox.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  set_target_properties(signalbox PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
endif()
if(TARGET ngx_signalbox_module)
  set(SB_NGINX_MODULES lib/nginx/modules CACHE STRING "where nginx looks for modules, below the prefix")
  install(FILES ${PROJECT_BINARY_DIR}/ngx_signalbox_module.so
    ${PROJECT_BINARY_DIR}/ngx_stream_signalbox_module.so DESTINATION ${SB_NGINX_MODULES}
    PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endif()

# The prefix is found from where the file lies, so that an installation can be moved.
file(RELATIVE_PATH SB_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/signalbox.pc.in ${PROJECT_BINARY_DIR}/signalbox.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/signalbox.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/signalbox)
install(EXPORT signalbox NAMESPACE signalbox:: DESTINATION ${package} FILE signalbox-targets.cmake)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/signalbox-config.cmake.in
  ${PROJECT_BINARY_DIR}/signalbox-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/signalbox-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/signalbox-config.cmake ${PROJECT_BINARY_DIR}/signalbox-config-version.cmake
  DESTINATION ${package})
