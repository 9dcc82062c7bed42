bf_unit_test(cli_arguments bf_cli)
bf_unit_test(cli_suggest bf_cli)
bf_unit_test(cli_text bf_cli)

include(${CMAKE_CURRENT_LIST_DIR}/libvirt.cmake)
