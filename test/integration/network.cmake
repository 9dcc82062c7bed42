# What the network between the helpers may do to them.
add_executable(tcp-proxy tools/tcp-proxy.c)
add_executable(crowd tools/crowd.c)
target_compile_definitions(crowd PRIVATE _GNU_SOURCE)
set_target_properties(tcp-proxy crowd PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
bf_integration_test(network/proxied TIMEOUT 240)
bf_integration_test(network/cut TIMEOUT 240 UNSANITIZED)
bf_integration_test(network/slow TIMEOUT 120)
bf_integration_test(network/unreachable TIMEOUT 120 UNSANITIZED)
