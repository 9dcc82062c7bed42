# Who is let in: certificates made by certtool, keys by psktool.  C programs, as both ends are ours.
foreach(part rpc_tls rpc_tls_clients)
  add_executable(test-integration-${part} ${part}.c rpc_sides.c rpc_certificates.c ../unit/rpc_bench.c)
  target_include_directories(test-integration-${part} PRIVATE ../unit)
  target_link_libraries(test-integration-${part} PRIVATE bf_rpc PkgConfig::CMOCKA)
  set_target_properties(test-integration-${part} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_test(NAME integration.${part} COMMAND test-integration-${part})
  set_tests_properties(integration.${part} PROPERTIES TIMEOUT 300 LABELS integration)
endforeach()
