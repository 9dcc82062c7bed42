# The pure parts through their private headers, ...
foreach(part message message_limits frames allow psk)
  bf_unit_test(rpc_${part} bf_rpc)
  target_include_directories(test-rpc_${part} PRIVATE ${PROJECT_SOURCE_DIR}/src/bitmapxfer/rpc)
endforeach()
foreach(part message message_limits)
  target_sources(test-rpc_${part} PRIVATE rpc_message_sample.c)
endforeach()

# ... peers over loopback through the public one.
foreach(part peer hostile caller)
  bf_unit_test(rpc_${part} bf_rpc)
  target_sources(test-rpc_${part} PRIVATE rpc_bench.c)
endforeach()
