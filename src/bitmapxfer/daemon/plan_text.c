#include "plan_text.h"

#include <stdbool.h>
#include <string.h>

static bool printable(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

int bf_plan_get_text(const json_t *object, const char *key, size_t max_bytes, const char **ret_text,
                     struct bf_error *err)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (!text || !text[0] || strlen(text) > max_bytes || !printable(text))
        return bf_error_set(err, BF_E_INVALID, "'%s' must be a text of 1 to %zu bytes", key,
                            max_bytes);
    *ret_text = text;
    return 0;
}

int bf_plan_copy_text(const json_t *object, const char *key, size_t max_bytes, char **ret_copy,
                      struct bf_error *err)
{
    const char *text = NULL;
    int r = bf_plan_get_text(object, key, max_bytes, &text, err);

    if (r < 0)
        return r;
    *ret_copy = strdup(text);
    return *ret_copy ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory");
}

int bf_plan_read_path(const json_t *object, const char *key, size_t max_bytes, char **ret_path,
                      struct bf_error *err)
{
    int r = bf_plan_copy_text(object, key, max_bytes, ret_path, err);

    if (r == 0 && (*ret_path)[0] != '/')
        r = bf_error_set(err, BF_E_INVALID,
                         "'%s' must be an absolute path: the daemon has another working folder",
                         key);
    return r;
}
