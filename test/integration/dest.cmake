# Moves between two QEMUs, and what happens to bitferry-dest in them.
bf_integration_test(dest/move_basic TIMEOUT 120)
bf_integration_test(dest/before_ready TIMEOUT 300)
bf_integration_test(dest/checkpoints TIMEOUT 120)
bf_integration_test(dest/denied TIMEOUT 120)
bf_integration_test(dest/ahead TIMEOUT 240)
bf_integration_test(dest/move_tls TIMEOUT 180)
bf_integration_test(dest/move_psk TIMEOUT 120)
bf_integration_test(dest/dest_killed TIMEOUT 600)
bf_integration_test(dest/both_killed TIMEOUT 600 UNSANITIZED)
bf_integration_test(dest/dest_ends TIMEOUT 400)
foreach(name source_killed source_away steps bitmaps qemu_ends children terminated
    cancelled held no_room no_digests)
  bf_integration_test(faults/${name} TIMEOUT 600)
endforeach()
set_tests_properties(integration.dest/dest_killed integration.faults/source_killed
  integration.faults/qemu_ends PROPERTIES COST 30)
bf_integration_test(faults/hung TIMEOUT 600 UNSANITIZED)
bf_integration_test(faults/killed_writing TIMEOUT 600 UNSANITIZED)

# Not with a sanitizer, which has an allocator of its own.
if(NOT BF_SANITIZE)
  add_library(malloc_fails MODULE tools/malloc_fails.c)
  target_compile_definitions(malloc_fails PRIVATE _GNU_SOURCE)
  set_target_properties(malloc_fails PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  bf_integration_test(faults/no_memory TIMEOUT 600)
endif()
