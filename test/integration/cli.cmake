# inspect, serve, verify and what they have in common
bf_integration_test(cli_inspect)
bf_integration_test(cli_serve)
bf_integration_test(cli_serve_tls)
bf_integration_test(cli_verify)
bf_integration_test(cli_usage)
bf_integration_test(cli_documents)

# pull, archive and restore
bf_integration_test(cli_pull)
bf_integration_test(cli_pull_faults)
bf_integration_test(cli_since TIMEOUT 120)
bf_integration_test(cli_archive)

include(${CMAKE_CURRENT_LIST_DIR}/hosts/migrate.cmake)
