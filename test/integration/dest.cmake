# Moves between two QEMUs, and what happens to bitferry-dest in them.
bf_integration_test(dest/move_basic TIMEOUT 120)
bf_integration_test(dest/checkpoints TIMEOUT 120)
bf_integration_test(dest/denied TIMEOUT 120)
bf_integration_test(dest/move_tls TIMEOUT 180)
bf_integration_test(dest/move_psk TIMEOUT 120)
bf_integration_test(dest/dest_killed TIMEOUT 600)
bf_integration_test(dest/both_killed TIMEOUT 600)
bf_integration_test(dest/dest_ends TIMEOUT 400)
foreach(name source_killed source_away bitmaps qemu_ends children hung terminated
    cancelled no_room no_digests)
  bf_integration_test(faults/${name} TIMEOUT 600)
endforeach()
