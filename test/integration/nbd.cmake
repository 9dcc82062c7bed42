# nbd-tool: the NBD layer by itself, at the command line.  nbd-liar: a server that breaks the protocol,
# which no real one does on request.
foreach(tool nbd-tool nbd-liar)
  add_executable(${tool} tools/${tool}.c)
  set_target_properties(${tool} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
endforeach()
target_link_libraries(nbd-tool PRIVATE bf_nbd)
target_link_libraries(nbd-liar PRIVATE bf_base)

bf_integration_test(nbd-pull)
bf_integration_test(nbd-liar)
bf_integration_test(nbd-dead-peer)
bf_integration_test(nbd-tls)
