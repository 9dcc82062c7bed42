bf_integration_test(hook_told TIMEOUT 60)
bf_integration_test(hook_unreachable TIMEOUT 60 UNSANITIZED) # by the clock, as the next
bf_integration_test(hook_input TIMEOUT 120 UNSANITIZED)
bf_integration_test(hook_late TIMEOUT 60 UNSANITIZED)
bf_integration_test(hook_silent TIMEOUT 60)
bf_integration_test(hook_no_libvirt TIMEOUT 60)
bf_integration_test(hook_general TIMEOUT 120 UNSANITIZED)
