# The live layer is unfinished (issue 3): nothing uses it yet, two of these fail on QEMU 10.0 and one was seen
# to fail under load with the sanitizers.  They are built everywhere and run with -DBF_TEST_LIVE=ON.
option(BF_TEST_LIVE "Run the tests of the unfinished live layer" OFF)

# C programs instead of scripts: they drive the operations of the live layer on real QEMUs.
foreach(area session source dest watch)
  add_executable(test-integration-live-${area} live/${area}.c live/rig.c live/watcher.c)
  target_link_libraries(test-integration-live-${area} PRIVATE bf_live bf_carrier PkgConfig::CMOCKA)
  set_target_properties(test-integration-live-${area} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  if(BF_TEST_LIVE)
    add_test(NAME integration.live_${area} COMMAND test-integration-live-${area})
    set_tests_properties(integration.live_${area} PROPERTIES TIMEOUT 300 LABELS integration)
  endif()
endforeach()
