# Reading.
add_executable(reader-dump tools/reader-dump.c)
target_link_libraries(reader-dump PRIVATE bf_carrier)
set_target_properties(reader-dump PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
bf_integration_test(carrier_read)
bf_integration_test(carrier_read_refused)
bf_integration_test(carrier_read_locks)
bf_integration_test(carrier_read_large)

# Writing.
add_executable(carrier-make tools/carrier-make.c tools/pattern.c)
target_link_libraries(carrier-make PRIVATE bf_carrier)
set_target_properties(carrier-make PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
bf_integration_test(carrier_write)
bf_integration_test(carrier_write_large)
