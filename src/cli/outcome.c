#include "outcome.h"

#include "base/name.h"
#include "base/text.h"
#include "output.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

enum { SHA256_SHOWN = 12 }; /* digits in the table; JSON has them all */

enum { COLUMN_NAME, COLUMN_GRANULARITY, COLUMN_DIRTY, COLUMN_SHA256, COLUMN_OUTCOME, NR_COLUMNS };

static const char consequence[] = "the next backup from it is full";

static const char *const kind_names[] = {
    [BF_OUTCOME_PLANNED] = "planned",   [BF_OUTCOME_INSTALLED] = "installed",
    [BF_OUTCOME_SUPERSET] = "superset", [BF_OUTCOME_ARCHIVED] = "archived",
    [BF_OUTCOME_DROPPED] = "dropped",
};

static const char *const kind_texts[] = {
    [BF_OUTCOME_PLANNED] = "planned",
    [BF_OUTCOME_INSTALLED] = "installed, proven by QEMU",
    [BF_OUTCOME_SUPERSET] = "installed as superset, proven by QEMU",
    [BF_OUTCOME_ARCHIVED] = "archived",
    [BF_OUTCOME_DROPPED] = "dropped",
};

void bf_outcomes_release(struct bf_outcomes *outcomes)
{
    for (size_t i = 0; i < outcomes->nr_items; i++)
        free(outcomes->items[i].why);
    free(outcomes->items);
    *outcomes = (struct bf_outcomes){0};
}

int bf_outcomes_add(struct bf_outcomes *outcomes, const struct bf_catalog_disk *disk,
                    const struct bf_catalog_bitmap *source, struct bf_outcome **ret_outcome,
                    struct bf_error *err)
{
    struct bf_outcome *items =
        realloc(outcomes->items, (outcomes->nr_items + 1) * sizeof *outcomes->items);

    if (!items)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    outcomes->items = items;
    *ret_outcome = &items[outcomes->nr_items++];
    **ret_outcome = (struct bf_outcome){
        .disk = disk->name,
        .source = source,
        .as = source->name,
        .kind = BF_OUTCOME_PLANNED,
        .geometry = bf_catalog_geometry(disk, source),
    };
    return 0;
}

int bf_outcome_drop(struct bf_outcome *outcome, enum bf_code reason, const char *why,
                    const char *remedy, struct bf_error *err)
{
    outcome->kind = BF_OUTCOME_DROPPED;
    outcome->has_summary = false;
    outcome->reason = reason;
    outcome->remedy = remedy;
    outcome->why = strdup(why);
    return outcome->why ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

int bf_outcome_drop_unusable(struct bf_outcome *outcome, struct bf_error *err)
{
    if (outcome->source->consistent)
        return 0;
    return bf_outcome_drop(
        outcome, BF_E_BITMAP_INCONSISTENT,
        outcome->source->problem ? outcome->source->problem : "it is not consistent",
        "remove it from the source (qemu-img bitmap --remove IMAGE NAME) and take a full backup",
        err);
}

size_t bf_outcomes_count_kept(const struct bf_outcomes *outcomes)
{
    size_t nr_kept = 0;

    for (size_t i = 0; i < outcomes->nr_items; i++)
        nr_kept += outcomes->items[i].kind != BF_OUTCOME_DROPPED;
    return nr_kept;
}

int bf_outcomes_exit(const struct bf_outcomes *outcomes)
{
    size_t nr_kept = bf_outcomes_count_kept(outcomes);

    if (nr_kept == 0)
        return BF_EXIT_NONE_CARRIED;
    return nr_kept < outcomes->nr_items ? BF_EXIT_SOME_DROPPED : BF_EXIT_OK;
}

/* A name need not be UTF-8, JSON must: then it is given escaped, and exactly as KEY_hex. */
static bool put_name(json_t *object, const char *key, const char *name)
{
    char hex_key[32];
    char hex[2 * BF_BITMAP_NAME_MAX + 1];
    size_t length = strlen(name);

    if (json_object_set_new(object, key, bf_text_to_json(name)) < 0)
        return false;
    if (bf_utf8_valid(name, length))
        return true;
    (void)snprintf(hex_key, sizeof hex_key, "%s_hex", key);
    bf_hex_encode((const uint8_t *)name, length, hex);
    return json_object_set_new(object, hex_key, json_string(hex)) == 0;
}

static bool put_summary(json_t *object, const struct bf_outcome *outcome)
{
    uint64_t dirty_bytes = bf_summary_dirty_bytes(&outcome->summary, &outcome->geometry);
    char sha256[BF_HEX_SHA256_MAX];

    bf_hex_encode(outcome->summary.sha256, BF_SHA256_BYTES, sha256);
    return json_object_set_new(object, "sha256", json_string(sha256)) == 0 &&
           json_object_set_new(object, "dirty_bytes", json_integer((json_int_t)dirty_bytes)) == 0;
}

static bool put_drop(json_t *object, const struct bf_outcome *outcome)
{
    return json_object_set_new(object, "reason", json_string(bf_code_name(outcome->reason))) == 0 &&
           json_object_set_new(object, "detail", bf_text_to_json(outcome->why)) == 0 &&
           json_object_set_new(object, "consequence", json_string(consequence)) == 0 &&
           json_object_set_new(object, "remedy", json_string(outcome->remedy)) == 0;
}

static json_t *to_json(const struct bf_outcome *outcome, bool disks)
{
    json_int_t granularity_bytes = (json_int_t)outcome->geometry.granularity_bytes;
    json_t *object = json_object();

    if ((disks && json_object_set_new(object, "disk", json_string(outcome->disk)) < 0) ||
        !put_name(object, "name", outcome->source->name) || !put_name(object, "as", outcome->as) ||
        json_object_set_new(object, "outcome", json_string(kind_names[outcome->kind])) < 0 ||
        json_object_set_new(object, "granularity_bytes", json_integer(granularity_bytes)) < 0 ||
        json_object_set_new(object, "recording", json_boolean(outcome->source->recording)) < 0 ||
        (outcome->has_summary && !put_summary(object, outcome)) ||
        (outcome->kind == BF_OUTCOME_DROPPED && !put_drop(object, outcome))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *bf_outcomes_to_json(const struct bf_outcomes *outcomes, bool disks)
{
    json_t *array = json_array();

    for (size_t i = 0; i < outcomes->nr_items; i++) {
        if (json_array_append_new(array, to_json(&outcomes->items[i], disks)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* "NAME", "DISK/NAME", and " as NAME" if it gets another; escaped. */
static char *label(const struct bf_outcome *outcome, bool disks)
{
    BF_CLEANUP(bf_freep) char *name = bf_escape(outcome->source->name);
    BF_CLEANUP(bf_freep) char *as = bf_escape(outcome->as);
    bool renamed = strcmp(outcome->source->name, outcome->as) != 0;
    char *text = NULL;

    if (!name || !as ||
        asprintf(&text, "%s%s%s%s%s", disks ? outcome->disk : "", disks ? "/" : "", name,
                 renamed ? " as " : "", renamed ? as : "") < 0)
        return NULL;
    return text;
}

static int add_row(struct bf_table *table, const struct bf_outcome *outcome, bool disks,
                   struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = label(outcome, disks);
    char granularity[BF_SIZE_TEXT_MAX];
    char dirty[BF_SIZE_TEXT_MAX] = "";
    char sha256[BF_HEX_SHA256_MAX] = "";
    const char *cells[NR_COLUMNS] = {
        [COLUMN_NAME] = name,
        [COLUMN_GRANULARITY] = bf_size_text(outcome->geometry.granularity_bytes, granularity),
        [COLUMN_DIRTY] = dirty,
        [COLUMN_SHA256] = sha256,
        [COLUMN_OUTCOME] = kind_texts[outcome->kind],
    };

    if (!name)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (outcome->has_summary) {
        bf_size_text(bf_summary_dirty_bytes(&outcome->summary, &outcome->geometry), dirty);
        bf_hex_encode(outcome->summary.sha256, BF_SHA256_BYTES, sha256);
        sha256[SHA256_SHOWN] = '\0';
    }
    return bf_table_add(table, cells, NULL, err);
}

static void print_drop(const struct bf_outcome *outcome)
{
    BF_CLEANUP(bf_freep) char *name = bf_escape(outcome->source->name);
    BF_CLEANUP(bf_freep) char *why = bf_escape(outcome->why);

    (void)printf("\nDropped: %s/%s, %s: %s.\n  Consequence: %s.\n  Remedy: %s.\n", outcome->disk,
                 name ? name : "?", bf_code_name(outcome->reason), why ? why : "?", consequence,
                 outcome->remedy);
}

int bf_outcomes_print(const struct bf_outcomes *outcomes, bool disks, struct bf_error *err)
{
    static const char *const head[NR_COLUMNS] = {"BITMAP", "GRANULARITY", "DIRTY", "SHA-256",
                                                 "OUTCOME"};
    BF_CLEANUP(bf_table_release)
    struct bf_table table = {
        .nr_columns = NR_COLUMNS,
        .right = {[COLUMN_GRANULARITY] = true, [COLUMN_DIRTY] = true},
    };
    int ret = bf_table_add(&table, head, NULL, err);

    for (size_t i = 0; ret == 0 && i < outcomes->nr_items; i++)
        ret = add_row(&table, &outcomes->items[i], disks, err);
    if (ret < 0)
        return ret;
    bf_table_print(&table, 0, bf_screen_of(stdout).colour, stdout);
    for (size_t i = 0; i < outcomes->nr_items; i++) {
        if (outcomes->items[i].kind == BF_OUTCOME_DROPPED)
            print_drop(&outcomes->items[i]);
    }
    return 0;
}
