/* inih splits the lines; where they come from, and what they may say, is judged here.  Debian's
 * inih tells its callback no line numbers and cuts a long line in two in silence: so the reader
 * counts lines, and refuses those that do not fit. */
#include "base/cleanup.h"
#include "config_key.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

enum { NR_KEYS_MAX = 64 };

struct reading {
    FILE *file;
    const char *path;
    unsigned line;
    size_t nr_bytes;
    struct bf_config configs[BF_NR_ROLES];
    unsigned seen_at[BF_NR_ROLES][NR_KEYS_MAX]; /* the line of a key, or 0 */
    struct bf_error *err;
};

static int complain(struct reading *reading, const char *what)
{
    return bf_error_set(reading->err, BF_E_INVALID, "%s:%u: %s", reading->path, reading->line,
                        what);
}

/* A line longer than what inih has room for ends the reading, as does a NUL byte. */
static char *read_line(char *buf, int buf_bytes, void *stream)
{
    struct reading *reading = stream;
    int length = 0;
    int c = EOF;

    reading->line++;
    while (length < buf_bytes - 1 && (c = getc(reading->file)) != EOF) {
        buf[length++] = (char)c;
        if (c == '\n' || c == '\0')
            break;
    }
    reading->nr_bytes += (size_t)length;
    buf[length] = '\0';
    if (length == 0)
        return NULL;
    if (c == '\0')
        (void)complain(reading, "a NUL byte: this is no text file");
    else if (c != '\n' && c != EOF)
        (void)complain(reading, "the line is too long");
    else if (reading->nr_bytes > BF_CONFIG_FILE_MAX_BYTES)
        (void)complain(reading, "the file is too long for a configuration");
    else
        return buf;
    return NULL;
}

static int find_role(struct reading *reading, const char *section, enum bf_role *ret_role)
{
    for (enum bf_role role = BF_ROLE_SOURCE; role < BF_NR_ROLES; role++) {
        if (strcmp(section, bf_role_name(role)) == 0) {
            *ret_role = role;
            return 0;
        }
    }
    return bf_error_set(
        reading->err, BF_E_INVALID, "%s:%u: %s%.100s%s; the sections are [source] and [dest]",
        reading->path, reading->line, section[0] ? "unknown section [" : "a key before any section",
        section, section[0] ? "]" : "");
}

static int find_key(struct reading *reading, const char *name, size_t *ret_index)
{
    char names[BF_ERROR_TEXT_MAX] = ""; /* of all keys: half of that */
    size_t used = 0;

    for (size_t i = 0; bf_config_keys[i].name; i++) {
        if (strcmp(bf_config_keys[i].name, name) == 0) {
            *ret_index = i;
            return 0;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                 bf_config_keys[i].name);
    }
    return bf_error_set(reading->err, BF_E_INVALID, "%s:%u: unknown key '%.100s'; the keys are %s",
                        reading->path, reading->line, name, names);
}

static int set_key(struct reading *reading, enum bf_role role, size_t index, const char *value)
{
    const struct bf_config_key *key = &bf_config_keys[index];
    unsigned *seen_at = &reading->seen_at[role][index];
    char allowed[BF_KEY_ALLOWED_MAX];

    if (*seen_at > 0)
        return bf_error_set(reading->err, BF_E_INVALID,
                            "%s:%u: '%s' was given in line %u already (an indented line continues "
                            "the one above)",
                            reading->path, reading->line, key->name, *seen_at);
    *seen_at = reading->line;
    if (bf_config_key_set(&reading->configs[role], key, value))
        return 0;
    return bf_error_set(reading->err, BF_E_INVALID, "%s:%u: %s is %s, not '%.100s'", reading->path,
                        reading->line, key->name, bf_config_key_allowed(key, allowed), value);
}

/* inih wants 1 for "go on". */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    enum bf_role role = BF_ROLE_SOURCE;
    size_t index = 0;

    return find_role(reading, section, &role) == 0 && find_key(reading, name, &index) == 0 &&
           set_key(reading, role, index, value) == 0;
}

static void file_closep(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

int bf_config_read(const char *path, enum bf_role role, struct bf_config *config,
                   struct bf_error *err)
{
    BF_CLEANUP(file_closep) FILE *file = fopen(path, "re");
    struct bf_error found = BF_ERROR_INIT;
    struct reading reading = {.file = file, .path = path, .err = &found};
    int bad_line;

    if (!file)
        return bf_error_set_errno(err, errno, "cannot read the configuration %s", path);
    for (enum bf_role each = BF_ROLE_SOURCE; each < BF_NR_ROLES; each++)
        bf_config_init(&reading.configs[each], each);
    bad_line = ini_parse_stream(read_line, &reading, on_key, &reading);
    if (found.code == BF_E_NONE && ferror(file))
        return bf_error_set_errno(err, EIO, "cannot read the configuration %s", path);
    if (found.code == BF_E_NONE && bad_line < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to read %s", path);
    if (found.code == BF_E_NONE && bad_line > 0)
        return bf_error_set(err, BF_E_INVALID, "%s:%d: neither '[section]' nor 'key = value'", path,
                            bad_line);
    if (found.code != BF_E_NONE)
        return bf_error_set(err, found.code, "%s", found.text);
    *config = reading.configs[role];
    return 0;
}
