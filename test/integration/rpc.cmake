# Who is let in: certificates made by certtool, keys by psktool.  A C program, as both ends are ours.
add_executable(test-integration-rpc_tls rpc_tls.c rpc_certificates.c ../unit/rpc_bench.c)
target_include_directories(test-integration-rpc_tls PRIVATE ../unit)
target_link_libraries(test-integration-rpc_tls PRIVATE bf_rpc PkgConfig::CMOCKA)
set_target_properties(test-integration-rpc_tls PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
add_test(NAME integration.rpc_tls COMMAND test-integration-rpc_tls)
set_tests_properties(integration.rpc_tls PROPERTIES TIMEOUT 300 LABELS integration)
