#include "json_read.h"

int bf_json_malformed(struct bf_error *err, const char *key, const char *expected)
{
    return bf_error_set(err, BF_E_PROTOCOL, "\"%s\" is missing or not %s", key, expected);
}

int bf_json_get_bytes(const json_t *object, const char *key, uint64_t *ret_bytes,
                      struct bf_error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return bf_json_malformed(err, key, "a number of bytes");
    *ret_bytes = (uint64_t)json_integer_value(value);
    return 0;
}

int bf_json_get_bool(const json_t *object, const char *key, bool *ret_value, struct bf_error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_boolean(value))
        return bf_json_malformed(err, key, "a boolean");
    *ret_value = json_boolean_value(value);
    return 0;
}

int bf_json_get_text(const json_t *object, const char *key, bool optional, const char **ret_text,
                     struct bf_error *err)
{
    const json_t *value = json_object_get(object, key);

    *ret_text = NULL;
    if (!value && optional)
        return 0;
    if (!json_is_string(value))
        return bf_json_malformed(err, key, "a text");
    *ret_text = json_string_value(value);
    return 0;
}

int bf_json_get_array(const json_t *object, const char *key, size_t nr_max,
                      const json_t **ret_array, struct bf_error *err)
{
    *ret_array = json_object_get(object, key);
    if (!json_is_array(*ret_array))
        return bf_json_malformed(err, key, "a list");
    if (json_array_size(*ret_array) > nr_max)
        return bf_error_set(err, BF_E_LIMIT, "\"%s\" has %zu entries, more than %zu", key,
                            json_array_size(*ret_array), nr_max);
    return 0;
}
