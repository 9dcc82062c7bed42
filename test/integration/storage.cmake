# Disks and folders that fail, and those that somebody has prepared.
bf_integration_test(storage/journal TIMEOUT 180)
bf_integration_test(storage/prepared TIMEOUT 120)
