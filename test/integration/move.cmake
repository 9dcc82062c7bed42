# A Linux guest that writes all the while it moves.  Its kernel is fetched once, before the first test.
add_test(NAME integration.guest
  COMMAND ${CMAKE_SOURCE_DIR}/test/guest/build.sh ${CMAKE_BINARY_DIR}/guest)
set_tests_properties(integration.guest PROPERTIES
  TIMEOUT 300 LABELS integration FIXTURES_SETUP guest)
foreach(name writes variants native)
  if(name STREQUAL writes)
    set(kind "")
  else()
    set(kind UNSANITIZED)
  endif()
  bf_integration_test(move/${name} TIMEOUT 600 ${kind})
  set_tests_properties(integration.move/${name} PROPERTIES FIXTURES_REQUIRED guest)
endforeach()
