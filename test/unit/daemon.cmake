bf_unit_test(daemon_journal bf_daemon)
bf_unit_test(daemon_request bf_daemon)
bf_unit_test(daemon_lines bf_daemon)
bf_unit_test(daemon_move bf_daemon)
