# Two hosts with a libvirtd each (needs root): test/hosts.  `bitferry migrate` between them: hosts/migrate.cmake.
# Without the case "restarted", which takes as long as all others: hosts/migrate_fails has it.
set(arguments_native copied shared offline failed foreign inconsistent plugged layers redefined)
foreach(part native hooked script guest tool)
  add_test(NAME integration.hosts_${part}
    COMMAND bash ${PROJECT_SOURCE_DIR}/test/hosts/${part}.sh ${arguments_${part}})
  set_tests_properties(integration.hosts_${part} PROPERTIES
    TIMEOUT 300 LABELS integration
    ENVIRONMENT "BF_BUILD=${CMAKE_BINARY_DIR};BF_SOURCE=${CMAKE_SOURCE_DIR}")
endforeach()
# These are long, and what they run of ours others run with sanitizers.
set_tests_properties(integration.hosts_native integration.hosts_guest PROPERTIES
  LABELS "integration;unsanitized" COST 60)
