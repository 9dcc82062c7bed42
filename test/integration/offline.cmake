# Machines that are shut off.
bf_integration_test(offline/move TIMEOUT 120)
bf_integration_test(offline/layouts TIMEOUT 240)
bf_integration_test(offline/ends TIMEOUT 240)
bf_integration_test(offline/source_killed TIMEOUT 300)
bf_integration_test(offline/dest_killed TIMEOUT 400)
