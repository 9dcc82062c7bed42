bf_unit_test(drive_pace bf_drive)
target_include_directories(test-drive_pace PRIVATE ${CMAKE_SOURCE_DIR}/src/bitmapxfer/drive)
bf_unit_test(drive_words bf_drive)
bf_unit_test(drive_definitions bf_drive)
