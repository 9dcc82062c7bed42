#include "base/cleanup.h"
#include "catalog/checkpoints.h"
#include "doctor_report.h"
#include "remedy.h"

/* json_array_append_new() and json_object_set_new() take NULL for "no memory" and fail; json_pack()
 * gives NULL then. */

static json_t *text_or_null(const char *text)
{
    return text ? bf_text_to_json(text) : json_null();
}

static const char *kind_name(enum bf_subject_kind kind)
{
    static const char *const names[] = {
        [BF_SUBJECT_OF_QEMU] = "qemu",
        [BF_SUBJECT_OF_IMAGES] = "images",
        [BF_SUBJECT_OF_ARCHIVE] = "archive",
    };

    return names[kind];
}

static json_t *parts_to_json(const struct bf_subject_disk *disk, const struct bf_coverage *cell)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; i < cell->nr_parts; i++) {
        const struct bf_coverage_part *part = &cell->parts[i];
        const struct bf_subject_image *image = &disk->images[part->layer];

        if (json_array_append_new(array,
                                  json_pack("{s:o, s:o, s:o}", "node", bf_text_to_json(image->node),
                                            "file", bf_text_to_json(image->file), "bitmap",
                                            bf_text_to_json(part->bitmap->name))) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *cell_to_json(const struct bf_diagnosis *diagnosis, size_t disk, size_t checkpoint)
{
    const struct bf_subject *subject = diagnosis->subject;
    const struct bf_coverage *cell = bf_diagnosis_cell(diagnosis, disk, checkpoint);
    struct bf_coverage_disk looked = bf_subject_coverage_disk(&subject->disks[disk]);
    bool incremental = cell->reason == BF_COVERAGE_NONE;
    uint64_t max_bytes = 0;
    json_t *object = json_pack(
        "{s:o, s:o, s:b}", "disk", bf_text_to_json(subject->disks[disk].name), "since",
        bf_text_to_json(subject->checkpoints.items[checkpoint].name), "incremental", incremental);
    int r = object ? 0 : -1;

    if (r == 0 && !incremental)
        r = json_object_set_new(object, "reason",
                                json_string(bf_coverage_reason_name(cell->reason)));
    if (r == 0 && incremental)
        r = json_object_set_new(object, "bitmaps", parts_to_json(&subject->disks[disk], cell));
    if (r == 0 && incremental && bf_coverage_dirty_bytes(cell, &looked, &max_bytes))
        r = json_object_set_new(object, "max_dirty_bytes", json_integer((json_int_t)max_bytes));
    if (r == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *cells_to_json(const struct bf_diagnosis *diagnosis)
{
    const struct bf_subject *subject = diagnosis->subject;
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; i < subject->nr_disks; i++) {
        for (size_t j = 0; j < subject->checkpoints.nr_items; j++) {
            if (json_array_append_new(array, cell_to_json(diagnosis, i, j)) < 0)
                return NULL;
        }
    }
    return bf_steal_ptr(&array);
}

static json_t *remedy_to_json(const struct bf_remedy *remedy)
{
    BF_CLEANUP(json_decrefp) json_t *commands = json_array();

    for (size_t i = 0; i < remedy->nr_commands; i++) {
        if (json_array_append_new(commands, bf_text_to_json(remedy->commands[i])) < 0)
            return NULL;
    }
    return json_pack("{s:s, s:O}", "text", remedy->text, "commands", commands);
}

static const char *image_of(const struct bf_finding *finding)
{
    bool has_one =
        finding->disk && finding->bitmap && finding->layer < finding->disk->layers.nr_disks;

    return has_one ? finding->disk->images[finding->layer].file : NULL;
}

static json_t *finding_to_json(const struct bf_diagnosis *diagnosis,
                               const struct bf_finding *finding, struct bf_error *err)
{
    struct bf_remedy remedy;
    json_t *json;

    if (bf_remedy_find(diagnosis->subject, finding, &remedy, err) < 0)
        return NULL;
    json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "code", finding->code,
                     "severity", bf_severity_name(finding->severity), "check",
                     bf_check_name(finding->check), "disk",
                     text_or_null(finding->disk ? finding->disk->name : NULL), "checkpoint",
                     text_or_null(finding->checkpoint), "bitmap", text_or_null(finding->bitmap),
                     "image", text_or_null(image_of(finding)), "text", finding->text, "detail",
                     text_or_null(finding->detail), "remedy", remedy_to_json(&remedy));
    bf_remedy_release(&remedy);
    return json;
}

static json_t *findings_to_json(const struct bf_diagnosis *diagnosis, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; i < diagnosis->nr_findings; i++) {
        if (json_array_append_new(array, finding_to_json(diagnosis, &diagnosis->findings[i], err)) <
            0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *checks_to_json(const struct bf_diagnosis *diagnosis)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (int i = 0; i < BF_NR_CHECKS; i++) {
        size_t nr_done = diagnosis->checks[i].nr_done;

        if (json_array_append_new(array, json_pack("{s:s, s:s, s:I, s:I}", "check",
                                                   bf_check_name((enum bf_check)i), "text",
                                                   bf_check_text((enum bf_check)i), "done",
                                                   (json_int_t)nr_done, "failed",
                                                   (json_int_t)diagnosis->checks[i].nr_failed)) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

json_t *bf_doctor_to_json(const struct bf_diagnosis *diagnosis, struct bf_error *err)
{
    const struct bf_subject *subject = diagnosis->subject;
    json_t *json =
        json_pack("{s:i, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:i}", "schema", 1, "subject",
                  bf_text_to_json(subject->title), "kind", kind_name(subject->kind), "style",
                  bf_chain_style_name(subject->checkpoints.style), "checkpoints_from",
                  bf_subject_origin_name(subject->origin), "coverage", cells_to_json(diagnosis),
                  "findings", findings_to_json(diagnosis, err), "checks", checks_to_json(diagnosis),
                  "exit", bf_diagnosis_exit(diagnosis));

    if (!json)
        (void)bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return json;
}
