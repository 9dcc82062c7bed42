# bf_fuzz_target(NAME LAYER): NAME_fuzz.c, which feeds the layer, with the corpus in corpus/NAME.
#
# The corpus is replayed as the ctest "fuzz.NAME-corpus" in every build; with BF_FUZZ and clang there is
# the libFuzzer program "fuzz-NAME" too.
function(bf_fuzz_target name layer)
  add_executable(replay-${name} ${name}_fuzz.c replay.c)
  target_link_libraries(replay-${name} PRIVATE ${layer})
  set_target_properties(replay-${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_test(NAME fuzz.${name}-corpus
    COMMAND replay-${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  set_tests_properties(fuzz.${name}-corpus PROPERTIES TIMEOUT 120 LABELS unit)

  if(BF_FUZZ AND CMAKE_C_COMPILER_ID STREQUAL "Clang")
    # The layer's sources are compiled again: the fuzzer must see which of their branches are taken.
    get_target_property(sources ${layer} SOURCES)
    get_target_property(folder ${layer} SOURCE_DIR)
    list(TRANSFORM sources PREPEND ${folder}/)
    add_executable(fuzz-${name} ${name}_fuzz.c ${sources})
    target_include_directories(fuzz-${name} PRIVATE ${folder})
    target_compile_options(fuzz-${name} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_libraries(fuzz-${name} PRIVATE ${layer})
    target_link_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz-${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  endif()
endfunction()

bf_fuzz_target(reader bf_carrier)

bf_fuzz_target(manifest bf_catalog)
if(TARGET fuzz-manifest) # its sources include a header of the layer's private dependency
  target_link_libraries(fuzz-manifest PRIVATE bf_proto)
endif()

bf_fuzz_target(checkpoints bf_catalog)
if(TARGET fuzz-checkpoints)
  target_link_libraries(fuzz-checkpoints PRIVATE bf_proto)
endif()

bf_fuzz_target(rpc bf_rpc)
target_include_directories(replay-rpc PRIVATE ${PROJECT_SOURCE_DIR}/src/bitmapxfer/rpc)
if(TARGET fuzz-rpc)
  target_link_libraries(fuzz-rpc PRIVATE bf_model PkgConfig::GNUTLS)
endif()

bf_fuzz_target(offer bf_drive)
target_include_directories(replay-offer PRIVATE ${PROJECT_SOURCE_DIR}/src/bitmapxfer/drive)
if(TARGET fuzz-offer)
  target_link_libraries(fuzz-offer PRIVATE bf_nbd bf_carrier PkgConfig::UV)
endif()

bf_fuzz_target(hook bf_hook)
if(TARGET fuzz-hook)
  target_link_libraries(fuzz-hook PRIVATE PkgConfig::LIBXML2)
endif()

if(TARGET bf_libvirt)
  bf_fuzz_target(libvirt bf_libvirt)
  if(TARGET fuzz-libvirt)
    target_link_libraries(fuzz-libvirt PRIVATE PkgConfig::LIBVIRT PkgConfig::JANSSON)
  endif()
endif()
