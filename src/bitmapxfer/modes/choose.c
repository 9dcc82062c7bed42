#include "modes/plan.h"

#include <stddef.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

static enum bf_mode because(enum bf_why why, enum bf_mode mode, enum bf_why *ret_why)
{
    *ret_why = why;
    return mode;
}

/* The first that holds.  The bits count, not the data: a native transfer beside a mirror is STREAM.
 */
enum bf_mode bf_mode_choose(const struct bf_vm_facts *source, const struct bf_disk_facts *disk,
                            const struct bf_vm_facts *dest, const struct bf_disk_facts *partner,
                            enum bf_why *ret_why)
{
    if (disk->wish != BF_MODE_AUTO)
        return because(BF_WHY_WISH, disk->wish, ret_why);
    if (partner && same_text(disk->layers[0].identity, partner->layers[0].identity))
        return because(BF_WHY_SAME_IMAGE, BF_MODE_SHARED, ret_why);
    if (source->dirty_bitmaps && disk->alias[0] != '\0' &&
        (!partner || !dest || strcmp(disk->alias, partner->alias) == 0))
        return because(BF_WHY_CAPABILITY, BF_MODE_STREAM, ret_why);
    if (source->block)
        return because(BF_WHY_BLOCK_COPY, BF_MODE_STREAM, ret_why);
    if (partner && same_text(disk->mirror, partner->export))
        return because(BF_WHY_MIRROR_HERE, BF_MODE_NBD, ret_why);
    if (disk->mirrored)
        return because(BF_WHY_MIRROR, BF_MODE_NBD, ret_why);
    if (partner && partner->export[0] != '\0')
        return because(BF_WHY_EXPORT, BF_MODE_NBD, ret_why);
    return because(BF_WHY_NOTHING, BF_MODE_NBD, ret_why);
}
