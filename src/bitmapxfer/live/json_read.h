/** Members of QEMU's answers; what is missing, or of another type, is "", 0 or false. */
#ifndef LIVE_JSON_READ_H
#define LIVE_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static inline uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

static inline bool flag_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

#endif
