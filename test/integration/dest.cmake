# Moves between two QEMUs, and what happens to bitferry-dest in them.
bf_integration_test(dest/move_basic TIMEOUT 120)
