# Disks and folders that fail, and those that somebody has prepared.
bf_integration_test(storage/journal TIMEOUT 180)
bf_integration_test(storage/prepared TIMEOUT 120)
bf_integration_test(storage/read_only TIMEOUT 120)
