/* Copies that stay in the source's images.  Once the guest runs elsewhere they miss what it writes,
 * and nobody who opens such an image can see that: so each is told, with what removes it. */
#include "drive.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

/* An image that both have open holds no copy. */
static bool may_hold_copy(const struct source_drive *drive, uint32_t bitmap)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[drive->offer.states[bitmap].disk];

    return drive->offer.bitmaps[bitmap].persistent && disk->file && disk->mode != BF_MODE_SHARED &&
           disk->image != BF_SAMENESS_SAME;
}

static void tell(struct source_drive *drive, uint32_t bitmap, const char *when)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[drive->offer.states[bitmap].disk];
    const char *name = drive->offer.bitmaps[bitmap].name;
    struct bf_move_row *row = bf_move_row(drive->move, disk->name, name);
    BF_CLEANUP(bf_freep) char *file_word = bf_shell_word(disk->file);
    BF_CLEANUP(bf_freep) char *name_word = bf_shell_word(name);
    BF_CLEANUP(bf_freep) char *text = NULL;

    if (!row || !file_word || !name_word)
        return;
    if (asprintf(&text,
                 "the copy in %s stays, and misses what the guest writes elsewhere: %s, before the "
                 "machine is ever started from it: qemu-img bitmap --remove %s %s",
                 disk->file, when, file_word, name_word) < 0)
        text = NULL;
    if (text)
        bf_move_row_note(row, text);
}

void source_tell_leftovers(struct source_drive *drive)
{
    bool carried = drive->machine.outcome == BF_OUTCOME_COMMITTED;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (may_hold_copy(drive, i))
            tell(drive, i,
                 carried ? "remove it once QEMU has ended"
                         : "remove it once the machine is known to run over there");
    }
    bf_move_changed(drive->move);
}
