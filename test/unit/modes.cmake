bf_unit_test(modes_plan bf_modes)
bf_unit_test(modes_estimate bf_modes)
bf_unit_test(facts_read bf_facts)
bf_unit_test(facts_serial bf_facts)
target_include_directories(test-facts_serial PRIVATE ${CMAKE_SOURCE_DIR}/src/bitmapxfer/facts)

# What decides must not be able to act.
add_test(NAME unit.modes_purity
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/purity.sh ${CMAKE_NM} $<TARGET_FILE:bf_modes>)
set_tests_properties(unit.modes_purity PROPERTIES LABELS unit)
