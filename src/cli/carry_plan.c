#include "carry_plan.h"

#include "base/math.h"
#include "base/name.h"
#include "base/text.h"
#include "target_image.h"

#include <inttypes.h>
#include <string.h>

enum { LIST_TEXT_MAX = 400 }; /* of names in a message */

/* Append to a list of names in a message; what does not fit is left out. */
static void list_name(char text[LIST_TEXT_MAX], const char *name)
{
    size_t used = strlen(text);

    (void)snprintf(text + used, LIST_TEXT_MAX - used, "%s'%s'", used > 0 ? ", " : "", name);
}

static void list_disks(const struct bf_catalog *catalog, char text[LIST_TEXT_MAX])
{
    text[0] = '\0';
    for (size_t i = 0; i < catalog->nr_disks; i++)
        list_name(text, catalog->disks[i].name);
}

static void list_bitmaps(const struct bf_catalog_disk *disk, char text[LIST_TEXT_MAX])
{
    text[0] = '\0';
    for (size_t i = 0; i < disk->nr_bitmaps; i++)
        list_name(text, disk->bitmaps[i].name);
}

/* The only one, apart from the images below it. */
static const struct bf_catalog_disk *only_disk(const struct bf_catalog *catalog)
{
    const struct bf_catalog_disk *only = catalog->nr_disks == 1 ? &catalog->disks[0] : NULL;
    char disk[BF_DISK_NAME_MAX + 1];
    size_t nr_tops = 0;

    for (size_t i = 0; !only && i < catalog->nr_disks; i++)
        nr_tops += bf_layer_name_decode(catalog->disks[i].name, disk) == 0;
    for (size_t i = 0; nr_tops == 1 && i < catalog->nr_disks; i++) {
        if (bf_layer_name_decode(catalog->disks[i].name, disk) == 0)
            only = &catalog->disks[i];
    }
    return only;
}

int bf_plan_choose_disk(const struct bf_catalog *catalog, const struct bf_plan_request *request,
                        const struct bf_catalog_disk **ret_disk, struct bf_error *err)
{
    char like_image[BF_DISK_NAME_MAX + 1];
    char there[LIST_TEXT_MAX];

    list_disks(catalog, there);
    if (catalog->nr_disks == 0)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "the source has no disk");
    if (request->disk) {
        *ret_disk = bf_catalog_find_disk(catalog, request->disk);
        if (!*ret_disk)
            return bf_error_set(err, BF_E_NOT_FOUND, "the source has no disk '%.255s'; it has %s",
                                request->disk, there);
        return 0;
    }
    bf_disk_name_of_path(request->image_path, like_image);
    *ret_disk = only_disk(catalog);
    if (!*ret_disk)
        *ret_disk = bf_catalog_find_disk(catalog, like_image);
    if (!*ret_disk)
        return bf_error_set(
            err, BF_E_USAGE,
            "the source has %zu disks (%s) and none is named like the image ('%s'): "
            "choose one with --disk",
            catalog->nr_disks, there, like_image);
    return 0;
}

static int check_size(const struct bf_catalog_disk *disk, const struct bf_plan_request *request,
                      struct bf_error *err)
{
    if (request->image_size_bytes >= disk->virtual_size_bytes)
        return 0;
    return bf_error_set(err, BF_E_SIZE_MISMATCH,
                        "%s has %" PRIu64 " bytes and disk '%s' has %" PRIu64
                        ": a smaller image cannot hold its data; is it the copy of this disk?",
                        request->image_path, request->image_size_bytes, disk->name,
                        disk->virtual_size_bytes);
}

static int check_choice(const struct bf_catalog_disk *disk, const struct bf_plan_request *request,
                        struct bf_error *err)
{
    char there[LIST_TEXT_MAX];

    list_bitmaps(disk, there);
    if (disk->nr_bitmaps == 0)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "disk '%s' has no bitmap", disk->name);
    for (size_t i = 0; i < request->bitmaps->nr_values; i++) {
        if (!bf_catalog_find_bitmap(disk, request->bitmaps->values[i]))
            return bf_error_set(err, BF_E_BITMAP_NOT_FOUND,
                                "disk '%s' has no bitmap '%.255s'; it has %s", disk->name,
                                request->bitmaps->values[i], there);
    }
    return 0;
}

static bool is_chosen(const struct bf_plan_request *request, const char *name)
{
    for (size_t i = 0; i < request->bitmaps->nr_values; i++) {
        if (strcmp(request->bitmaps->values[i], name) == 0)
            return true;
    }
    return !request->bitmaps->given;
}

/* What cannot be carried is dropped; the others do not suffer from it. */
static int judge(struct bf_outcome *outcome, struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;

    if (!outcome->source->consistent)
        return bf_outcome_drop_unusable(outcome, err);
    if (!outcome->source->has_summary)
        return bf_outcome_drop(outcome, BF_E_PROTOCOL, "the source gives no digest to check it by",
                               "serve or archive it with a current bitferry", err);
    if (bf_geometry_check(&outcome->geometry, &why) < 0)
        return bf_outcome_drop(outcome, why.code, why.text, "use a coarser --granularity", err);
    return 0;
}

static int plan_bitmap(const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                       const struct bf_plan_request *request, struct bf_outcomes *outcomes,
                       struct bf_error *err)
{
    struct bf_outcome *outcome;
    int ret = bf_outcomes_add(outcomes, disk, bitmap, &outcome, err);

    if (ret < 0)
        return ret;
    if (request->as)
        outcome->as = request->as;
    outcome->geometry.disk_size_bytes = request->image_size_bytes;
    if (request->granularity_bytes != 0)
        outcome->geometry.granularity_bytes = request->granularity_bytes;
    if (bitmap->has_summary && !bf_plan_transforms(disk, outcome)) {
        outcome->has_summary = true;
        outcome->summary = bitmap->summary;
    }
    return judge(outcome, err);
}

int bf_plan_make(const struct bf_catalog_disk *disk, const struct bf_plan_request *request,
                 struct bf_outcomes *ret_outcomes, struct bf_error *err)
{
    int ret = check_size(disk, request, err);

    if (ret == 0)
        ret = check_choice(disk, request, err);
    for (size_t i = 0; ret == 0 && i < disk->nr_bitmaps; i++) {
        if (is_chosen(request, disk->bitmaps[i].name))
            ret = plan_bitmap(disk, &disk->bitmaps[i], request, ret_outcomes, err);
    }
    if (ret == 0 && request->as && ret_outcomes->nr_items != 1)
        ret = bf_error_set(
            err, BF_E_USAGE,
            "--as gives one bitmap a name, and %zu are chosen: choose one with --bitmap",
            ret_outcomes->nr_items);
    if (ret < 0)
        bf_outcomes_release(ret_outcomes);
    return ret;
}

bool bf_plan_transforms(const struct bf_catalog_disk *disk, const struct bf_outcome *outcome)
{
    return outcome->geometry.granularity_bytes != outcome->source->granularity_bytes ||
           outcome->geometry.disk_size_bytes != disk->virtual_size_bytes;
}
