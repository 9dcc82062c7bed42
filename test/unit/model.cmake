# The tests of the model share the shadow bitmap that they compare with.
function(bf_model_test name)
  bf_unit_test(${name} bf_model ${ARGN})
  target_sources(test-${name} PRIVATE shadow.c)
endfunction()

bf_model_test(model_bits)
bf_model_test(model_summary PkgConfig::NETTLE)
bf_model_test(model_extents)
bf_model_test(model_transform)
bf_model_test(model_compare)
bf_model_test(model_coverage_histories)
bf_unit_test(model_stretches bf_model)
bf_unit_test(model_checkpoints bf_model)
bf_unit_test(model_coverage bf_model)

# Every allocation of the catalog is made to fail once.
bf_unit_test(model_catalog bf_model)
target_link_options(test-model_catalog PRIVATE
  -Wl,--wrap=malloc,--wrap=reallocarray,--wrap=strdup)

# The layers that decide must not be able to act: their libraries call nothing that does.
add_test(NAME unit.purity
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/purity.sh ${CMAKE_NM} $<TARGET_FILE:bf_base>
          $<TARGET_FILE:bf_model>)
set_tests_properties(unit.purity PROPERTIES LABELS unit)
