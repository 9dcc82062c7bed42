# libvirt's test driver (test:///default) serves where a daemon is needed.
if(TARGET bf_libvirt)
  bf_unit_test(libvirt_checkpoint bf_libvirt)
  bf_unit_test(libvirt_description bf_libvirt)
  bf_unit_test(libvirt_domain bf_libvirt)
  bf_unit_test(libvirt_options bf_libvirt)
  bf_unit_test(libvirt_bridge_words bf_libvirt PkgConfig::JANSSON)
  target_include_directories(test-libvirt_bridge_words
    PRIVATE ${PROJECT_SOURCE_DIR}/src/bitmapxfer/libvirt)
  bf_unit_test(migrate_capture bf_cli)
  bf_unit_test(migrate_judge bf_cli)
  bf_unit_test(migrate_told bf_cli)
endif()
