#include "remedy.h"

#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

/* Takes @command, NULL is "out of memory". */
static int add(struct bf_remedy *remedy, char *command, struct bf_error *err)
{
    char **commands = reallocarray(remedy->commands, remedy->nr_commands + 1, sizeof *commands);

    if (commands)
        remedy->commands = commands;
    if (!commands || !command) {
        free(command);
        return no_memory(err);
    }
    commands[remedy->nr_commands++] = command;
    return 0;
}

/* --- commands of a shell --- */

static int add_virsh(struct bf_remedy *remedy, const struct bf_subject *subject, const char *verb,
                     const char *argument, const char *option, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *connect = subject->connect ? bf_shell_word(subject->connect) : NULL;
    BF_CLEANUP(bf_freep) char *domain = bf_shell_word(subject->domain);
    BF_CLEANUP(bf_freep) char *word = bf_shell_word(argument);
    char *command = NULL;

    if ((subject->connect && !connect) || !domain || !word ||
        asprintf(&command, "virsh %s%s%s%s %s %s%s", connect ? "-c " : "", connect ? connect : "",
                 connect ? " " : "", verb, domain, word, option) < 0)
        return no_memory(err);
    return add(remedy, command, err);
}

static int add_image_removal(struct bf_remedy *remedy, const char *file, const char *bitmap,
                             struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *file_word = bf_shell_word(file);
    BF_CLEANUP(bf_freep) char *bitmap_word = bf_shell_word(bitmap);
    char *command = NULL;

    if (!file_word || !bitmap_word ||
        asprintf(&command, "qemu-img bitmap --remove %s%s %s",
                 file[0] == '-' || bitmap[0] == '-' ? "-- " : "", file_word, bitmap_word) < 0)
        return no_memory(err);
    return add(remedy, command, err);
}

/* --- commands of QMP --- */

/* Takes @arguments, which are NULL if a name is not UTF-8: QMP cannot say it.  To a domain it goes
 * by way of libvirt. */
static int add_qmp(struct bf_remedy *remedy, const struct bf_subject *subject, const char *name,
                   json_t *arguments, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp)
    json_t *json =
        arguments ? json_pack("{s:s, s:o}", "execute", name, "arguments", arguments) : NULL;
    BF_CLEANUP(bf_freep) char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (!arguments)
        return 0;
    if (!line)
        return no_memory(err);
    return subject->domain ? add_virsh(remedy, subject, "qemu-monitor-command", line, "", err)
                           : add(remedy, bf_steal_ptr(&line), err);
}

static int add_qmp_removal(struct bf_remedy *remedy, const struct bf_subject *subject,
                           const char *node, const char *bitmap, struct bf_error *err)
{
    return add_qmp(remedy, subject, "block-dirty-bitmap-remove",
                   json_pack("{s:s, s:s}", "node", node, "name", bitmap), err);
}

/* One transaction: a bitmap like @like under another name, and what is in @from. */
static int add_qmp_copy(struct bf_remedy *remedy, const struct bf_subject *subject,
                        const char *node, const struct bf_catalog_bitmap *like, const char *from,
                        const char *to, bool persistent, struct bf_error *err)
{
    return add_qmp(remedy, subject, "transaction",
                   json_pack("{s:[{s:s, s:{s:s, s:s, s:I, s:b, s:b}}, {s:s, s:{s:s, s:s, s:[s]}}]}",
                             "actions", "type", "block-dirty-bitmap-add", "data", "node", node,
                             "name", to, "granularity", (json_int_t)like->granularity_bytes,
                             "persistent", persistent, "disabled", !like->recording, "type",
                             "block-dirty-bitmap-merge", "data", "node", node, "target", to,
                             "bitmaps", from),
                   err);
}

/* Made anew: something records all the time, and in the end all is in a bitmap that is stored. */
static int add_renewal(struct bf_remedy *remedy, const struct bf_subject *subject,
                       const struct bf_subject_disk *disk, const struct bf_catalog_bitmap *bitmap,
                       struct bf_error *err)
{
    static const char suffix[] = ".renewed";
    const char *node = disk->images[0].node;
    BF_CLEANUP(bf_freep) char *copy = NULL;
    int r;

    if (asprintf(&copy, "%s%s", bitmap->name, suffix) < 0)
        return no_memory(err);
    r = add_qmp_copy(remedy, subject, node, bitmap, bitmap->name, copy, false, err);
    if (r == 0)
        r = add_qmp_removal(remedy, subject, node, bitmap->name, err);
    if (r == 0)
        r = add_qmp_copy(remedy, subject, node, bitmap, copy, bitmap->name, true, err);
    if (r == 0)
        r = add_qmp_removal(remedy, subject, node, copy, err);
    return r;
}

/* --- what is to be done --- */

/* The bitmap is of no use: away with it, and with its checkpoint. */
static int give_up(struct bf_remedy *remedy, const struct bf_subject *subject,
                   const struct bf_finding *finding, bool there, struct bf_error *err)
{
    const struct bf_subject_image *image = &finding->disk->images[finding->layer];
    int r = 0;

    remedy->text = "take a full backup with a new checkpoint";
    if (subject->kind == BF_SUBJECT_OF_ARCHIVE || !finding->bitmap)
        return 0;
    if (subject->domain && finding->checkpoint && subject->kind == BF_SUBJECT_OF_QEMU && there)
        return add_virsh(remedy, subject, "checkpoint-delete", finding->checkpoint, "", err);
    if (subject->domain && finding->checkpoint)
        r = add_virsh(remedy, subject, "checkpoint-delete", finding->checkpoint, " --metadata",
                      err);
    if (r < 0 || !there || finding->layer > 0) /* QEMU changes nothing below the top */
        return r;
    if (subject->kind == BF_SUBJECT_OF_QEMU)
        return add_qmp_removal(remedy, subject, image->node, finding->bitmap, err);
    return add_image_removal(remedy, image->file, finding->bitmap, err);
}

static const struct bf_catalog_bitmap *top_bitmap(const struct bf_finding *finding)
{
    return bf_catalog_find_bitmap(&finding->disk->layers.disks[0], finding->bitmap);
}

static int make_persistent(struct bf_remedy *remedy, const struct bf_subject *subject,
                           const struct bf_finding *finding, struct bf_error *err)
{
    remedy->text = "make a persistent one of it; nothing is missed meanwhile";
    if (subject->kind != BF_SUBJECT_OF_QEMU || !finding->disk->images[0].can_store)
        return give_up(remedy, subject, finding, true, err);
    return add_renewal(remedy, subject, finding->disk, top_bitmap(finding), err);
}

static int renew_all(struct bf_remedy *remedy, const struct bf_subject *subject,
                     struct bf_error *err)
{
    int r = 0;

    remedy->text = "make them anew before QEMU ends; nothing is missed meanwhile";
    for (size_t i = 0; i < subject->nr_disks; i++) {
        const struct bf_catalog *layers = &subject->disks[i].layers;

        for (size_t j = 0; layers->nr_disks > 0 && j < layers->disks[0].nr_bitmaps; j++) {
            const struct bf_catalog_bitmap *bitmap = &layers->disks[0].bitmaps[j];

            if (r == 0 && bitmap->persistent && bitmap->consistent)
                r = add_renewal(remedy, subject, &subject->disks[i], bitmap, err);
        }
    }
    return r;
}

static int forget_unknown(struct bf_remedy *remedy, const struct bf_subject *subject,
                          const struct bf_finding *finding, struct bf_error *err)
{
    const struct bf_subject_image *image = &finding->disk->images[finding->layer];

    remedy->text = subject->domain
                       ? "if it came without its checkpoint, bitferry redefine brings that back; "
                         "if nobody needs it, remove it"
                       : "if nobody needs it, remove it";
    if (subject->kind == BF_SUBJECT_OF_ARCHIVE || finding->layer > 0)
        return 0;
    return subject->kind == BF_SUBJECT_OF_QEMU
               ? add_qmp_removal(remedy, subject, image->node, finding->bitmap, err)
               : add_image_removal(remedy, image->file, finding->bitmap, err);
}

static int convert_image(struct bf_remedy *remedy, const struct bf_finding *finding,
                         struct bf_error *err)
{
    const char *file = finding->disk->images[0].file;
    BF_CLEANUP(bf_freep) char *word = bf_shell_word(file);
    char *command = NULL;

    remedy->text = "a qcow2 image of version 2 can be made one of version 3 while the VM is shut "
                   "off; a raw one must be converted";
    if (!word)
        return no_memory(err);
    if (!finding->disk->images[0].is_old)
        return 0;
    if (asprintf(&command, "qemu-img amend -f qcow2 -o compat=1.1 %s", word) < 0)
        return no_memory(err);
    return add(remedy, command, err);
}

static int by_reason(struct bf_remedy *remedy, const struct bf_subject *subject,
                     const struct bf_finding *finding, struct bf_error *err)
{
    switch (finding->check) {
    case BF_CHECK_DISK_SEEN:
        remedy->text = "ask again where the disk can be looked at";
        return 0;
    case BF_CHECK_DISK_ACTIVE:
        remedy->text = "ask again when the VM runs here";
        return 0;
    case BF_CHECK_DISK_STORES:
        return convert_image(remedy, finding, err);
    case BF_CHECK_DISK_IN_CHECKPOINT:
        remedy->text = "take this disk in full this time; it is part of the next checkpoint";
        return 0;
    case BF_CHECK_BITMAP_FREE:
        remedy->text = "try again when what holds it has ended";
        return 0;
    case BF_CHECK_DISK_STILL_THERE:
        remedy->text = "nothing, if it was unplugged on purpose";
        return 0;
    case BF_CHECK_BITMAP_PERSISTENT:
        return make_persistent(remedy, subject, finding, err);
    case BF_CHECK_BITMAP_KNOWN:
        return forget_unknown(remedy, subject, finding, err);
    case BF_CHECK_MIGRATION_CLEAN:
        return renew_all(remedy, subject, err);
    case BF_CHECK_BITMAP_THERE:
    case BF_CHECK_BITMAP_GAPLESS:
    case BF_CHECK_CHAIN_WHOLE:
        return give_up(remedy, subject, finding, false, err);
    case BF_CHECK_BITMAP_CONSISTENT:
    case BF_CHECK_BITMAP_RECORDING:
    case BF_NR_CHECKS:
        break;
    }
    return give_up(remedy, subject, finding, true, err);
}

int bf_remedy_find(const struct bf_subject *subject, const struct bf_finding *finding,
                   struct bf_remedy *ret_remedy, struct bf_error *err)
{
    struct bf_remedy remedy = {.text = ""};
    int r = by_reason(&remedy, subject, finding, err);

    if (r < 0)
        bf_remedy_release(&remedy);
    else
        *ret_remedy = remedy;
    return r;
}

void bf_remedy_release(struct bf_remedy *remedy)
{
    for (size_t i = 0; i < remedy->nr_commands; i++)
        free(remedy->commands[i]);
    free(remedy->commands);
    *remedy = (struct bf_remedy){.text = ""};
}
