bf_unit_test(handoff_names bf_handoff)
bf_unit_test(handoff_source bf_handoff)
bf_unit_test(handoff_source_hold bf_handoff)
bf_unit_test(handoff_dest bf_handoff)

add_test(NAME unit.handoff_purity
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/purity.sh ${CMAKE_NM} $<TARGET_FILE:bf_handoff>)
set_tests_properties(unit.handoff_purity PROPERTIES LABELS unit)
