add_executable(install-carrier tools/install_carrier.c)
target_link_libraries(install-carrier PRIVATE bf_attach)
set_target_properties(install-carrier PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
bf_integration_test(install)
