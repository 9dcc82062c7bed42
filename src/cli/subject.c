#include "subject.h"

#include "subject_build.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int bf_subject_set(char **text, const char *value, struct bf_error *err)
{
    free(*text);
    *text = strdup(value);
    return *text ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

int bf_subject_add_disk(struct bf_subject *subject, const char *name,
                        struct bf_subject_disk **ret_disk, struct bf_error *err)
{
    struct bf_subject_disk *disks;

    for (size_t i = 0; i < subject->nr_disks; i++) {
        if (strcmp(subject->disks[i].name, name) == 0)
            return bf_error_set(err, BF_E_EXISTS,
                                "there are two disks named '%.255s': give them other names, as "
                                "NAME=FILE",
                                name);
    }
    disks = reallocarray(subject->disks, subject->nr_disks + 1, sizeof *disks);
    if (!disks)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    subject->disks = disks;
    *ret_disk = &disks[subject->nr_disks];
    **ret_disk = (struct bf_subject_disk){.name = NULL};
    if (bf_subject_set(&(*ret_disk)->name, name, err) < 0)
        return -1;
    subject->nr_disks++;
    return 0;
}

int bf_subject_add_layer(struct bf_subject_disk *disk, const char *node, const char *file,
                         uint64_t size_bytes, struct bf_catalog_disk **ret_layer,
                         struct bf_error *err)
{
    size_t nr_layers = disk->layers.nr_disks;
    struct bf_subject_image *images = reallocarray(disk->images, nr_layers + 1, sizeof *images);
    char number[24];
    int r;

    if (!images)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    disk->images = images;
    images[nr_layers] = (struct bf_subject_image){.node = strdup(node), .file = strdup(file)};
    (void)snprintf(number, sizeof number, "%zu", nr_layers);
    r = images[nr_layers].node && images[nr_layers].file
            ? bf_catalog_add_disk(&disk->layers, number, size_bytes, ret_layer, err)
            : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (r < 0) {
        free(images[nr_layers].node);
        free(images[nr_layers].file);
    }
    return r;
}

int bf_subject_refuse_disk(struct bf_subject_disk *disk, enum bf_coverage_reason reason,
                           const char *problem, struct bf_error *err)
{
    disk->unusable = reason;
    return bf_subject_set(&disk->problem, problem, err);
}

static void release_disk(struct bf_subject_disk *disk)
{
    for (size_t i = 0; i < disk->layers.nr_disks; i++) {
        free(disk->images[i].node);
        free(disk->images[i].file);
    }
    free(disk->images);
    bf_catalog_release(&disk->layers);
    free(disk->name);
    free(disk->problem);
    free(disk->holders);
}

void bf_subject_release(struct bf_subject *subject)
{
    for (size_t i = 0; i < subject->nr_disks; i++)
        release_disk(&subject->disks[i]);
    free(subject->disks);
    free(subject->title);
    free(subject->domain);
    free(subject->connect);
    free(subject->qmp);
    free(subject->migration);
    bf_checkpoints_release(&subject->checkpoints);
    *subject = (struct bf_subject){.nr_disks = 0};
}

struct bf_coverage_disk bf_subject_coverage_disk(const struct bf_subject_disk *disk)
{
    return (struct bf_coverage_disk){
        .name = disk->name,
        .layers = disk->layers.disks,
        .nr_layers = disk->layers.nr_disks,
        .unusable = disk->unusable,
    };
}

static int check_request(const struct bf_subject_request *request, struct bf_error *err)
{
    int nr_given =
        (request->domain != NULL) + (request->qmp != NULL) + (request->args->nr_operands > 0);
    const char *command = request->args->command->name;

    if (nr_given != 1)
        return bf_error_set(err, BF_E_USAGE,
                            "%s: give one of --domain NAME, --qmp SOCKET, or images or an archive",
                            command);
    if (request->connect && !request->domain)
        return bf_error_set(err, BF_E_USAGE, "%s: --connect goes with --domain", command);
    return 0;
}

int bf_subject_open(const struct bf_subject_request *request, struct bf_subject *ret_view,
                    struct bf_error *err)
{
    struct bf_subject subject = {.origin = BF_SUBJECT_BY_NAMES};
    int r = check_request(request, err);

    if (r < 0)
        return r;
    if (request->domain)
        r = bf_subject_domain(request, &subject, err);
    else if (request->qmp)
        r = bf_subject_qemu(request, &subject, err);
    else
        r = bf_subject_targets(request, &subject, err);
    if (r == 0 && (subject.origin != BF_SUBJECT_BY_LIBVIRT || request->checkpoints))
        r = bf_subject_find_checkpoints(request->checkpoints, &subject, err);
    if (r < 0)
        bf_subject_release(&subject);
    else
        *ret_view = subject;
    return r;
}

const char *bf_subject_time_text(const struct bf_checkpoint *checkpoint,
                                 char buf[BF_SUBJECT_TIME_MAX])
{
    time_t seconds = (time_t)checkpoint->time_unix_s;
    struct tm local;

    buf[0] = '\0';
    if (checkpoint->time_unix_s != BF_NO_TIME && localtime_r(&seconds, &local))
        (void)strftime(buf, BF_SUBJECT_TIME_MAX, "%Y-%m-%d %H:%M", &local);
    return buf;
}
