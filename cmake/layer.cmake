# bf_layer(NAME SOURCES ... DEPENDS ...): one folder, one static library, one include directory.
#
# A layer sees only the headers of the layers it names, so an #include against the arrows does not
# compile.  DEPENDS is public (a header of this layer uses theirs), PRIVATE_DEPENDS is not.
function(bf_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(bf_${name} STATIC ${ARG_SOURCES})
  target_include_directories(bf_${name}
    PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(bf_${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
endfunction()
