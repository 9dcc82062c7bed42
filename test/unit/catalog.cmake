bf_unit_test(catalog_json bf_catalog)
bf_unit_test(catalog_checkpoints bf_catalog)

# What a manifest file may hold, and what is refused.
bf_unit_test(catalog_manifest bf_catalog bf_proto)
