# `bitferry migrate` between two hosts with a libvirtd each (needs root): test/hosts.
if(TARGET bf_libvirt)
  bf_integration_test(cli_redefine)
  bf_integration_test(hosts/migrate_shared TIMEOUT 600)
  bf_integration_test(hosts/migrate_copied TIMEOUT 600 UNSANITIZED)
  bf_integration_test(hosts/migrate_told TIMEOUT 600 UNSANITIZED)
  bf_integration_test(hosts/migrate_fails TIMEOUT 600 UNSANITIZED)

  bf_integration_test(hosts/domain TIMEOUT 600 UNSANITIZED)
  bf_integration_test(hosts/orchestrated TIMEOUT 300 UNSANITIZED)

  add_executable(bridge-probe hosts/bridge_probe.c)
  target_link_libraries(bridge-probe PRIVATE bf_libvirt bf_qmp)
  set_target_properties(bridge-probe PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  bf_integration_test(hosts/bridge TIMEOUT 120)
endif()
