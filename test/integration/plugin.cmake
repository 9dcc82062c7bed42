# The nbdkit plugin.  nbdkit is not built with the sanitizers, so it cannot load a plugin that is;
# plugin_valgrind looks for memory errors instead.
if(NOT BF_SANITIZE)
  bf_integration_test(plugin_exports)
  bf_integration_test(plugin_names)
  bf_integration_test(plugin_parameters)
  bf_integration_test(plugin_refusals)
  bf_integration_test(plugin_clients)
  bf_integration_test(plugin_many)
  bf_integration_test(plugin_tls)
  bf_integration_test(plugin_valgrind)
endif()
