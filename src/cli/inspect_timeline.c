#include "inspect_timeline.h"

#include "base/cleanup.h"
#include "timeline.h"

static int show(const struct bf_arguments *args, const struct bf_timeline *timeline,
                const char *svg, struct bf_error *err)
{
    struct bf_screen screen = bf_screen_of(stdout);

    if (svg && bf_timeline_write_svg(timeline, svg, err) < 0)
        return -1;
    if (args->json)
        return bf_print_json(bf_timeline_to_json(timeline), err);
    if (!svg)
        bf_timeline_print(timeline, &screen);
    return bf_output_finish(err);
}

int bf_inspect_timeline(const struct bf_subject_request *request, const char *svg,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_subject_release) struct bf_subject subject = {.nr_disks = 0};
    BF_CLEANUP(bf_diagnosis_release) struct bf_diagnosis diagnosis = {.nr_cells = 0};
    BF_CLEANUP(bf_timeline_release) struct bf_timeline timeline = {.nr_disks = 0};
    int r = bf_subject_open(request, &subject, err);

    if (r == 0)
        r = bf_diagnosis_make(&subject, &diagnosis, err);
    if (r == 0)
        r = bf_timeline_make(&diagnosis, &timeline, err);
    return r < 0 ? r : show(request->args, &timeline, svg, err);
}
