bf_unit_test(nbd-uri bf_nbd PkgConfig::NBD)
bf_unit_test(nbd-map bf_nbd)
target_include_directories(test-nbd-map PRIVATE ${CMAKE_SOURCE_DIR}/src/bitmapxfer/nbd)
