# Reading.
add_executable(reader-dump tools/reader-dump.c)
target_link_libraries(reader-dump PRIVATE bf_carrier)
set_target_properties(reader-dump PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
bf_integration_test(carrier_read)
bf_integration_test(carrier_read_refused)
bf_integration_test(carrier_read_locks)
bf_integration_test(carrier_read_large)
