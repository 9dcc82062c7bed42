# C programs instead of scripts: they drive the operations of the live layer on real QEMUs.
foreach(area session source dest watch rests)
  add_executable(test-integration-live-${area} live/${area}.c live/rig.c live/watcher.c)
  target_link_libraries(test-integration-live-${area} PRIVATE bf_live bf_carrier PkgConfig::CMOCKA)
  set_target_properties(test-integration-live-${area} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_test(NAME integration.live_${area} COMMAND test-integration-live-${area})
  set_tests_properties(integration.live_${area} PROPERTIES TIMEOUT 300 LABELS integration)
endforeach()
