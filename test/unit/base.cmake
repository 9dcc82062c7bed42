bf_unit_test(base_error bf_base)
bf_unit_test(base_text bf_base)
bf_unit_test(base_name bf_base)
