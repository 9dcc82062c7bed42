# bitferry doctor: qemu.sh has the checks one by one, the others what they are made at; the timeline.
foreach(part qemu states rest timeline)
  add_test(NAME integration.doctor_${part}
    COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/doctor/${part}.sh)
  set_tests_properties(integration.doctor_${part} PROPERTIES
    TIMEOUT 120 LABELS integration
    ENVIRONMENT "BF_BUILD=${CMAKE_BINARY_DIR};BF_SOURCE=${CMAKE_SOURCE_DIR}")
endforeach()
