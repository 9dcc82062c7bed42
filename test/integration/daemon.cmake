# The daemons without their live part: configuration, control socket, moves on disk, life.  The tools:
# a daemon with a driver that moves nothing, the move folders by themselves, and systemd's ear.
foreach(tool daemon_with_driver move_folder notify_sink)
  add_executable(${tool} tools/${tool}.c)
  target_link_libraries(${tool} PRIVATE bf_daemon)
  set_target_properties(${tool} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
endforeach()

bf_integration_test(daemon_config)
bf_integration_test(daemon_control)
bf_integration_test(daemon_moves)
bf_integration_test(daemon_restart)
bf_integration_test(daemon_crash)
