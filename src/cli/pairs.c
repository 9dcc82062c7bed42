#include "pairs.h"

#include "base/cleanup.h"

#include <string.h>

int bf_pairs_to_json(const struct bf_arguments *args, size_t index, const char *left,
                     const char *right, json_t **ret_pairs, struct bf_error *err)
{
    const struct bf_option *option = &args->command->options[index];
    const struct bf_option_values *values = &args->options[index];
    BF_CLEANUP(json_decrefp) json_t *pairs = json_array();

    if (!pairs)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < values->nr_values; i++) {
        const char *value = values->values[i];
        const char *equals = strchr(value, '=');

        if (!equals || equals == value || equals[1] == '\0')
            return bf_error_set(err, BF_E_USAGE, "%s: --%s takes %s, not '%.200s'",
                                args->command->name, option->name, option->placeholder, value);
        if (json_array_append_new(pairs, json_pack("{s:s%, s:s}", left, value,
                                                   (size_t)(equals - value), right, equals + 1)) <
            0)
            return bf_error_set(err, BF_E_USAGE, "%s: --%s %.200s is not UTF-8",
                                args->command->name, option->name, value);
    }
    *ret_pairs = bf_steal_ptr(&pairs);
    return 0;
}
