# Writing.
bf_unit_test(carrier_writer bf_carrier)
target_sources(test-carrier_writer PRIVATE carrier_support.c)
target_include_directories(test-carrier_writer PRIVATE ${CMAKE_SOURCE_DIR}/src/bitmapxfer/carrier)
target_link_options(test-carrier_writer PRIVATE
  LINKER:--wrap=pwrite64,--wrap=ftruncate64,--wrap=fdatasync) # the test plays the disk

bf_unit_test(carrier_view bf_carrier)
target_sources(test-carrier_view PRIVATE carrier_support.c)

# Reading.
foreach(test carrier_reader carrier_reader_refuses carrier_reader_limits carrier_regions carrier_lock)
  bf_unit_test(${test} bf_carrier)
  target_include_directories(test-${test} PRIVATE ${CMAKE_SOURCE_DIR}/src/bitmapxfer/carrier)
endforeach()
