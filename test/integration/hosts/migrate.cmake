# `bitferry migrate` between two hosts with a libvirtd each (needs root): test/hosts.
if(TARGET bf_libvirt)
  bf_integration_test(cli_redefine)
  foreach(part copied shared fails)
    bf_integration_test(hosts/migrate_${part} TIMEOUT 600)
  endforeach()
endif()
