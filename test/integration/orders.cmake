# What an orchestrator says to the daemons of two hosts, and what they show.
bf_integration_test(orders/many TIMEOUT 180)
bf_integration_test(orders/shown TIMEOUT 120)
bf_integration_test(orders/refused TIMEOUT 120)
