# The parts are tested through their private headers, the client through its public one and, for the ids,
# its number.
foreach(part framing message inflight opening client closing hostile)
  bf_unit_test(qmp_${part} bf_qmp)
  target_include_directories(test-qmp_${part} PRIVATE ${PROJECT_SOURCE_DIR}/src/bitmapxfer/qmp)
endforeach()
foreach(part opening client closing hostile)
  target_sources(test-qmp_${part} PRIVATE qmp_bench.c)
endforeach()
