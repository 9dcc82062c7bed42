# A C program instead of a script: it drives the client against real QEMU programs.
add_executable(test-integration-qmp qmp_real.c)
target_link_libraries(test-integration-qmp PRIVATE bf_qmp PkgConfig::CMOCKA)
set_target_properties(test-integration-qmp PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
add_test(NAME integration.qmp COMMAND test-integration-qmp)
set_tests_properties(integration.qmp PROPERTIES TIMEOUT 300 LABELS integration)
