# Machines that are shut off.
bf_integration_test(offline/move TIMEOUT 120)
bf_integration_test(offline/layouts TIMEOUT 240)
