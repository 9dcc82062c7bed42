#include "live/measure.h"

#include "base/text.h"
#include "json_read.h"
#include "op.h"
#include "survey_read.h"

#include <string.h>

struct measure_op {
    struct bf_live_op op;
    struct bf_live_place *places; /* their texts are owned */
    struct bf_live_measure *measures;
    uint32_t nr_places;
    uint32_t current; /* whose digest is asked for */
    enum bf_live_digests digests;
    bf_live_measure_fn done;
    void *ctx;
};

static void release(struct bf_live_op *op)
{
    struct measure_op *measure_op = (struct measure_op *)op;

    for (uint32_t i = 0; i < measure_op->nr_places; i++) {
        free((char *)measure_op->places[i].node);
        free((char *)measure_op->places[i].name);
    }
    free(measure_op->places);
    free(measure_op->measures);
    free(measure_op);
}

static void finish(struct measure_op *measure_op, const struct bf_error *err)
{
    measure_op->done(measure_op->ctx, err ? NULL : measure_op->measures, measure_op->nr_places,
                     err);
    release(&measure_op->op);
}

static void read_state(struct bf_live_measure *measure, const json_t *node, const json_t *bitmap)
{
    uint64_t granularity_bytes = number_of(bitmap, "granularity");

    measure->found = bitmap != NULL;
    measure->recording = flag_of(bitmap, "recording");
    measure->persistent = flag_of(bitmap, "persistent");
    measure->busy = flag_of(bitmap, "busy");
    measure->inconsistent = flag_of(bitmap, "inconsistent");
    measure->locked = measure->persistent && flag_of(node, "ro");
    measure->granularity_bytes = granularity_bytes;
    measure->disk_size_bytes = number_of(json_object_get(node, "image"), "virtual-size");
    if (granularity_bytes > 0)
        measure->summary.nr_dirty_bits = number_of(bitmap, "count") / granularity_bytes;
}

static const char digest_command[] = "x-debug-block-dirty-bitmap-sha256";

/* QEMU would give one for an inconsistent bitmap too, which means nothing. */
static bool wants_digest(const struct measure_op *measure_op, const struct bf_live_measure *measure)
{
    if (measure_op->digests == BF_LIVE_COUNTS || !measure->found || measure->inconsistent ||
        measure->no_digests)
        return false;
    return measure_op->digests == BF_LIVE_DIGESTS || !measure->recording;
}

static void on_digest(struct bf_live_op *op, const json_t *result, const struct bf_error *err);

static void ask_on(struct measure_op *measure_op)
{
    const struct bf_live_place *place;

    while (measure_op->current < measure_op->nr_places &&
           !wants_digest(measure_op, &measure_op->measures[measure_op->current]))
        measure_op->current++;
    if (measure_op->current == measure_op->nr_places) {
        finish(measure_op, NULL);
        return;
    }
    place = &measure_op->places[measure_op->current];
    bf_live_op_call(&measure_op->op, digest_command,
                    json_pack("{s:s, s:s}", "node", place->node, "name", place->name), on_digest);
}

/* A refusal (it was removed since) only leaves this one without a digest. */
static void on_digest(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct measure_op *measure_op = (struct measure_op *)op;
    struct bf_live_measure *measure = &measure_op->measures[measure_op->current];
    const char *digest = json_string_value(json_object_get(result, "sha256"));

    if (op->lost) {
        finish(measure_op, err);
        return;
    }
    measure->digested = digest && bf_hex_decode(digest, BF_SHA256_BYTES, measure->summary.sha256);
    measure_op->current++;
    ask_on(measure_op);
}

static void on_nodes(struct bf_live_op *op, const json_t *nodes, const struct bf_error *err)
{
    struct measure_op *measure_op = (struct measure_op *)op;

    if (err) {
        finish(measure_op, err);
        return;
    }
    for (uint32_t i = 0; i < measure_op->nr_places; i++) {
        const struct bf_live_place *place = &measure_op->places[i];
        const json_t *node = bf_live_nodes_find(nodes, NULL, place->node);

        read_state(&measure_op->measures[i], node, bf_live_node_bitmap(node, place->name));
        measure_op->measures[i].no_digests = !bf_qmp_has_command(op->live->qmp, digest_command);
    }
    ask_on(measure_op);
}

bool bf_live_measure_is(const struct bf_live_measure *measure, const struct bf_summary *wanted)
{
    if (!measure->found || measure->inconsistent)
        return false;
    if (measure->digested)
        return bf_summary_equal(&measure->summary, wanted);
    return measure->no_digests && measure->summary.nr_dirty_bits == wanted->nr_dirty_bits;
}

static bool copy_places(struct measure_op *measure_op, const struct bf_live_place *places,
                        uint32_t nr_places)
{
    measure_op->places = calloc((size_t)nr_places + 1, sizeof *measure_op->places);
    measure_op->measures = calloc((size_t)nr_places + 1, sizeof *measure_op->measures);
    if (!measure_op->places || !measure_op->measures)
        return false;
    for (uint32_t i = 0; i < nr_places; i++) {
        struct bf_live_place *copy = &measure_op->places[measure_op->nr_places++];

        copy->node = strdup(places[i].node);
        copy->name = strdup(places[i].name);
        if (!copy->node || !copy->name)
            return false;
    }
    return true;
}

int bf_live_measure(struct bf_live *live, const struct bf_live_place *places, uint32_t nr_places,
                    enum bf_live_digests digests, uint64_t deadline_ms, bf_live_measure_fn done,
                    void *ctx, struct bf_error *err)
{
    struct measure_op *measure_op = calloc(1, sizeof *measure_op);

    if (!measure_op)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to measure bitmaps");
    bf_live_op_init(&measure_op->op, live, deadline_ms, release);
    measure_op->digests = digests;
    measure_op->done = done;
    measure_op->ctx = ctx;
    if (!copy_places(measure_op, places, nr_places)) {
        release(&measure_op->op);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to measure bitmaps");
    }
    return bf_live_op_start(&measure_op->op, "query-named-block-nodes",
                            json_pack("{s:b}", "flat", 1), on_nodes, err);
}
