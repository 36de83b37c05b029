# Configures and builds another variant of the tree. Run by the tests build.*.
separate_arguments(options UNIX_COMMAND "${OPTIONS}")
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G ${GENERATOR} ${options} RESULT_VARIABLE failed)
if(NOT failed)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --parallel 2 RESULT_VARIABLE failed)
endif()
if(failed)
  message(FATAL_ERROR "the build in ${BUILD} failed")
endif()
