bf_unit_test(handoff_names bf_handoff)
foreach(part source source_hold source_native source_restart source_table)
  bf_unit_test(handoff_${part} bf_handoff)
endforeach()
foreach(part dest dest_brought dest_commit)
  bf_unit_test(handoff_${part} bf_handoff)
  target_sources(test-handoff_${part} PRIVATE handoff_dest_bench.c)
endforeach()

add_test(NAME unit.handoff_purity
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/purity.sh ${CMAKE_NM} $<TARGET_FILE:bf_handoff>)
set_tests_properties(unit.handoff_purity PROPERTIES LABELS unit)
