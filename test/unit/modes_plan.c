/* Facts of two QEMUs in a few words, and the plan in a few words. */
#include "modes/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GIB = 1 << 30, MAX_ITEMS = 8 };

/* "vda serial=S1 node=n1 mirror=x : id=A copy=C size=2 : c1/rp c2/f ; ..."
 * disks ';'   layers '|'   bitmaps: NAME/FLAGS, with r recording, p persistent, b busy,
 * i inconsistent, m mapped */
struct world {
    char text[512];
    struct bf_vm_facts vm;
    struct bf_disk_facts disks[MAX_ITEMS];
    struct bf_layer_facts layers[MAX_ITEMS][MAX_ITEMS];
    struct bf_bitmap_facts bitmaps[MAX_ITEMS][MAX_ITEMS][MAX_ITEMS];
};

static bool take(const char *word, const char *key, const char **ret_value)
{
    size_t length = strlen(key);

    if (strncmp(word, key, length) != 0 || word[length] != '=')
        return false;
    *ret_value = word + length + 1;
    return true;
}

static void read_bitmap(struct bf_layer_facts *layer, struct bf_bitmap_facts *bitmap, char *word)
{
    char *flags = strchr(word, '/');

    *flags++ = '\0';
    *bitmap = (struct bf_bitmap_facts){.name = word,
                                       .granularity_bytes = 65536,
                                       .recording = strchr(flags, 'r'),
                                       .persistent = strchr(flags, 'p'),
                                       .busy = strchr(flags, 'b'),
                                       .inconsistent = strchr(flags, 'i'),
                                       .mapped = strchr(flags, 'm')};
    layer->nr_bitmaps++;
}

static void read_layer_word(struct bf_layer_facts *layer, struct bf_bitmap_facts *bitmaps,
                            char *word)
{
    const char *value;

    if (take(word, "id", &layer->identity) || take(word, "copy", &layer->content) ||
        take(word, "bits", &layer->bits) || take(word, "path", &layer->path) ||
        take(word, "node", &layer->node))
        return;
    if (take(word, "size", &value))
        layer->size_bytes = strtoull(value, NULL, 10) * GIB;
    else if (strcmp(word, "raw") == 0)
        layer->stores = false;
    else if (strchr(word, '/'))
        read_bitmap(layer, &bitmaps[layer->nr_bitmaps], word);
    else
        fail_msg("what is \"%s\"?", word);
}

static bool read_disk_word(struct bf_disk_facts *disk, char *word)
{
    const char *value;

    if (disk->name[0] == '\0') {
        disk->name = word;
        return true;
    }
    if (strcmp(word, "mirrored") == 0)
        return disk->mirrored = true;
    if (strcmp(word, "named") == 0)
        return disk->named = true;
    if (take(word, "wish", &value)) {
        assert_true(bf_mode_find(value, &disk->wish));
        return true;
    }
    if (take(word, "mirror", &disk->mirror))
        return disk->mirrored = true;
    return take(word, "serial", &disk->serial) || take(word, "alias", &disk->alias) ||
           take(word, "export", &disk->export);
}

static void read_layers(struct world *world, uint32_t index, char *text)
{
    struct bf_disk_facts *disk = &world->disks[index];
    char *rest;
    char *inner;

    *disk = (struct bf_disk_facts){"", "", "", "", "", .layers = world->layers[index]};
    for (char *layer = strtok_r(text, "|", &rest); layer; layer = strtok_r(NULL, "|", &rest)) {
        struct bf_layer_facts *facts = &world->layers[index][disk->nr_layers];

        *facts = (struct bf_layer_facts){
            "", "", "", "", "", GIB, true, world->bitmaps[index][disk->nr_layers], 0};
        for (char *word = strtok_r(layer, " ", &inner); word; word = strtok_r(NULL, " ", &inner)) {
            if (disk->nr_layers > 0 || !read_disk_word(disk, word))
                read_layer_word(facts, world->bitmaps[index][disk->nr_layers], word);
        }
        disk->nr_layers++;
    }
}

static const struct bf_vm_facts *make_world(struct world *world, const char *disks,
                                            const char *flags)
{
    char *rest;

    memset(world, 0, sizeof *world);
    (void)snprintf(world->text, sizeof world->text, "%s", disks);
    world->vm = (struct bf_vm_facts){.disks = world->disks,
                                     .dirty_bitmaps = strstr(flags, "bitmaps"),
                                     .block = strstr(flags, "block"),
                                     .pauses = strstr(flags, "pauses"),
                                     .downtime_limit_ms = 300};
    for (char *disk = strtok_r(world->text, ";", &rest); disk; disk = strtok_r(NULL, ";", &rest))
        read_layers(world, world->vm.nr_disks++, disk);
    return &world->vm;
}

/* --- the plan in words --------------------------------------------------------------------------
 */

struct words {
    char text[512];
    size_t length;
};

static void __attribute__((format(printf, 2, 3))) add(struct words *words, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    words->length += (size_t)vsnprintf(words->text + words->length,
                                       sizeof words->text - words->length, format, args);
    va_end(args);
    assert_in_range(words->length, 0, sizeof words->text - 1);
}

static const char *why_name(enum bf_why why)
{
    static const char *const names[] = {
#define NAME(name, sentence) #name,
        BF_WHYS(NAME)
#undef NAME
    };

    return names[why];
}

static void say_bitmap(struct words *words, const struct bf_disk_facts *disk,
                       const struct bf_bitmap_plan *bitmap)
{
    add(words, " %s", disk->layers[bitmap->layer].bitmaps[bitmap->bitmap].name);
    if (bitmap->fate == BF_FATE_DROP)
        add(words, ":%s", bf_drop_name(bitmap->drop));
    else
        add(words, ":%s", bf_mode_fate_name(bitmap->fate));
    if (bitmap->dest_layer > 0)
        add(words, "@%u", (unsigned)bitmap->dest_layer);
    add(words, "%s%s%s%s", bitmap->becomes_transient ? "+transient" : "",
        bitmap->widens ? "+widens" : "", bitmap->waits ? "+waits" : "",
        bitmap->replaces ? "+replaces" : "");
}

static void say_plan(struct words *words, const struct bf_vm_facts *source,
                     const struct bf_vm_facts *dest, const struct bf_mode_plan *plan)
{
    add(words, plan->kind == BF_HANDOFF_TRACKER ? "tracker" : "freeze");
    for (uint32_t i = 0; i < plan->nr_disks; i++) {
        const struct bf_disk_plan *disk = &plan->disks[i];

        add(words, "; %s>%s %s/%s%s", source->disks[i].name,
            disk->partner == BF_NO_PARTNER ? "-" : dest->disks[disk->partner].name,
            bf_mode_name(disk->mode), why_name(disk->why), disk->contradicted ? "!" : "");
        for (uint32_t k = 0; k < disk->nr_bitmaps; k++)
            say_bitmap(words, &source->disks[i], &disk->bitmaps[k]);
    }
    for (unsigned i = 0; i < BF_NR_WARNINGS; i++) {
        if (plan->warnings & (1U << i))
            add(words, " (%s)", bf_warning_name(i));
    }
}

/* --- tables -------------------------------------------------------------------------------------
 */

struct row {
    const char *what;
    const char *source, *source_flags;
    const char *dest, *dest_flags;
    const char *plan;
};

static void check_rows(const struct row *rows, size_t nr_rows)
{
    for (size_t i = 0; i < nr_rows; i++) {
        static struct world source;
        static struct world dest;
        struct words words = {.length = 0};
        struct bf_mode_plan plan;

        make_world(&source, rows[i].source, rows[i].source_flags);
        make_world(&dest, rows[i].dest, rows[i].dest_flags);
        assert_int_equal(bf_mode_plan_make(&source.vm, &dest.vm, &plan, NULL), 0);
        say_plan(&words, &source.vm, &dest.vm, &plan);
        bf_mode_plan_release(&plan);
        if (strcmp(words.text, rows[i].plan) != 0)
            fail_msg("%s:\n  is       %s\n  expected %s", rows[i].what, words.text, rows[i].plan);
    }
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void every_mode_is_found_by_facts(void **state)
{
    static const struct row rows[] = {
        {"one image, seen by both", "vda id=A c/rp", "", "vda id=A", "",
         "freeze; vda>vda shared/SAME_IMAGE c:native"},
        {"two images", "vda id=A c/rp", "", "vda id=B", "", "tracker; vda>vda nbd/NOTHING c:carry"},
        {"images of which nothing is known", "vda c/rp", "", "vda", "",
         "tracker; vda>vda nbd/NOTHING c:carry"},
        {"a mirror to the destination's export", "vda mirror=x c/rp", "", "vda export=x", "",
         "tracker; vda>vda nbd/MIRROR_HERE c:carry"},
        {"a mirror to who knows where", "vda mirror=y c/rp", "", "vda export=x", "",
         "tracker; vda>vda nbd/MIRROR c:carry"},
        {"an export that waits", "vda c/rp", "", "vda export=x", "",
         "tracker; vda>vda nbd/EXPORT c:carry"},
        {"capability and mapping", "vda alias=a c/rpm", "bitmaps", "vda alias=a", "bitmaps",
         "freeze; vda>vda stream/CAPABILITY c:native"},
        {"native transfer beside a mirror has trackers", "vda alias=a mirror=x c/rpm", "bitmaps",
         "vda alias=a export=x", "bitmaps", "tracker; vda>vda stream/CAPABILITY c:native"},
        {"a mapping that nobody understands over there", "vda alias=a mirror=x c/rpm", "bitmaps",
         "vda alias=b export=x", "bitmaps", "tracker; vda>vda nbd/MIRROR_HERE c:carry"},
        {"migrate -b", "vda c/rp", "block", "vda", "block",
         "freeze; vda>vda stream/BLOCK_COPY c:native"},
        {"one shared, one mirrored, one in the stream",
         "vda id=A a/rp; vdb mirror=x b/rp; vdc alias=c c/rpm", "bitmaps pauses",
         "vdc alias=c; vdb export=x; vda id=A", "bitmaps",
         "freeze; vda>vda shared/SAME_IMAGE a:native; vdb>vdb nbd/MIRROR_HERE b:carry; "
         "vdc>vdc stream/CAPABILITY c:native"},
        {"a wish wins and is pointed out", "vda id=A wish=nbd c/rp", "", "vda id=A", "",
         "tracker; vda>vda nbd/WISH! c:carry"},
        {"a wish that the facts bear out", "vda id=A wish=shared c/rp", "", "vda id=A", "",
         "freeze; vda>vda shared/WISH c:native"},
        {"a wish where nothing is known", "vda wish=shared c/rp", "", "vda", "",
         "freeze; vda>vda shared/WISH c:native"},
    };

    (void)state;
    CHECK(rows);
}

static void what_qemu_would_lose_is_carried_where_that_leaves_no_gap(void **state)
{
    static const struct row rows[] = {
        {"transient on shared storage, with a pause", "vda id=A p/rp t/r", "pauses", "vda id=A", "",
         "freeze; vda>vda shared/SAME_IMAGE p:native t:carry"},
        {"transient on shared storage, no pause", "vda id=A p/rp t/r f/-", "", "vda id=A", "",
         "freeze; vda>vda shared/SAME_IMAGE p:native t:NO_PAUSE f:carry"},
        {"transient on shared storage goes with the capability", "vda id=A alias=a t/rm", "bitmaps",
         "vda id=A alias=a", "bitmaps", "freeze; vda>vda shared/SAME_IMAGE t:native"},
        {"not in the mapping", "vda alias=a c/rpm t/r f/p", "bitmaps pauses", "vda alias=a",
         "bitmaps", "freeze; vda>vda stream/CAPABILITY c:native t:carry f:carry"},
        {"frozen ones need no pause", "vda id=A f/-", "", "vda id=A", "",
         "tracker; vda>vda shared/SAME_IMAGE f:carry"},
        {"raw target", "vda mirror=x c/rp", "", "vda export=x raw", "",
         "tracker; vda>vda nbd/MIRROR_HERE c:carry+transient"},
        {"larger target", "vda mirror=x c/rp", "", "vda export=x size=2", "",
         "tracker; vda>vda nbd/MIRROR_HERE c:carry+widens"},
        {"left by a former visit", "vda mirror=x c/rp", "", "vda export=x c/rp", "",
         "tracker; vda>vda nbd/MIRROR_HERE c:carry+replaces"},
        {"busy", "vda mirror=x c/rpb", "", "vda export=x", "",
         "tracker; vda>vda nbd/MIRROR_HERE c:carry+waits"},
        {"inconsistent, and one of our names", "vda c/pi bitferry-tmp.x/r", "", "vda", "",
         "tracker; vda>vda nbd/NOTHING c:BITMAP_INCONSISTENT bitferry-tmp.x:NAME_RESERVED"},
    };

    (void)state;
    CHECK(rows);
}

static void disks_are_matched_by_what_they_are(void **state)
{
    static const struct row rows[] = {
        {"order means nothing", "vda serial=1 a/p; vdb serial=2 b/p", "",
         "vdb serial=2; vda serial=1", "",
         "tracker; vda>vda nbd/NOTHING a:carry; vdb>vdb nbd/NOTHING b:carry"},
        {"swapped with one of equal size", "vda serial=1 a/p; vdb serial=2 b/p", "",
         "vda serial=2; vdb serial=1", "",
         "tracker; vda>vdb nbd/NOTHING a:carry; vdb>vda nbd/NOTHING b:carry"},
        {"another disk under the old name", "vda serial=1 a/p", "", "vda serial=9", "",
         "tracker; vda>- nbd/NOTHING a:DISK_MISMATCH"},
        {"unplugged", "vda a/p; vdb b/p", "", "vda", "",
         "tracker; vda>vda nbd/NOTHING a:carry; vdb>- nbd/NOTHING b:NODE_MISSING"},
        {"a serial twice proves nothing", "vda serial=1 a/p; vdb serial=1 b/p", "",
         "vdx serial=1; vdy serial=1", "",
         "tracker; vda>- nbd/NOTHING a:NODE_MISSING; vdb>- nbd/NOTHING b:NODE_MISSING"},
        {"renamed, with its serial", "vda serial=1 a/p", "", "sda serial=1", "",
         "tracker; vda>sda nbd/NOTHING a:carry"},
        {"a person's name against the serials", "vda serial=1 a/p; vdb serial=2 b/p", "",
         "vda named serial=2; vdb named serial=1", "",
         "tracker; vda>- nbd/NOTHING a:DISK_MISMATCH; vdb>- nbd/NOTHING b:DISK_MISMATCH"},
        {"no disk is two", "vda a/p; vdb serial=1 b/p", "", "vda serial=1", "",
         "tracker; vda>- nbd/NOTHING a:DISK_MISMATCH; vdb>- nbd/NOTHING b:DISK_MISMATCH"},
        {"the name and nothing else", "vda size=1 a/p", "", "vda size=2", "",
         "tracker; vda>- nbd/NOTHING a:DISK_MISMATCH"},
        {"the name and the node", "vda node=n size=1 a/p", "", "vda node=n size=2", "",
         "tracker; vda>vda nbd/NOTHING a:carry+widens"},
        {"the name, said by a person", "vda named size=1 a/p", "", "vda size=2", "",
         "tracker; vda>vda nbd/NOTHING a:carry+widens"},
        {"the mirror knows best", "vda mirror=x a/p; vdb mirror=y b/p", "",
         "vda export=y; vdb export=x", "",
         "tracker; vda>vdb nbd/MIRROR_HERE a:carry; vdb>vda nbd/MIRROR_HERE b:carry"},
        {"smaller", "vda serial=1 size=2 a/p", "", "vda serial=1 size=1", "",
         "tracker; vda>- nbd/NOTHING a:SIZE_MISMATCH"},
    };

    (void)state;
    CHECK(rows);
}

static void chains_are_kept_or_flattened(void **state)
{
    static const struct row rows[] = {
        {"kept: the image below is the same one", "vda mirror=x b2/rp | id=S b1/rp", "",
         "vda export=x | id=S b1/rp", "",
         "tracker; vda>vda nbd/MIRROR_HERE b2:carry b1:in-image@1"},
        {"kept: the image below is a copy without its bitmaps", "vda mirror=x b2/rp | copy=S b1/rp",
         "", "vda export=x | copy=S", "", "tracker; vda>vda nbd/MIRROR_HERE b2:carry b1:install@1"},
        {"kept: the image below cannot store any", "vda mirror=x b2/rp | copy=S b1/rp", "",
         "vda export=x | copy=S raw", "",
         "tracker; vda>vda nbd/MIRROR_HERE b2:carry b1:FORMAT_UNSUPPORTED"},
        {"shared with its chain", "vda id=T b2/rp | id=S b1/rp", "", "vda id=T | id=S", "",
         "freeze; vda>vda shared/SAME_IMAGE b2:native b1:in-image@1"},
        {"kept: the image below has the very bitmaps", "vda mirror=x b/rp | copy=S bits=B b/rp", "",
         "vda export=x | copy=R bits=B b/rp", "",
         "tracker; vda>vda nbd/MIRROR_HERE b:carry b:in-image@1"},
        {"other bits below: the union", "vda mirror=x b/rp | copy=S bits=B b/rp", "",
         "vda export=x | copy=R bits=C b/rp", "",
         "tracker; vda>vda nbd/MIRROR_HERE b:union b:part"},
        {"the same name below as on top stays with its layer", "vda mirror=x b/rp | copy=S b/rp",
         "", "vda export=x | copy=S b/rp", "",
         "tracker; vda>vda nbd/MIRROR_HERE b:carry b:in-image@1"},
        {"equal names, other content", "vda mirror=x b2/rp | copy=S b1/rp", "",
         "vda export=x | copy=R b1/rp", "",
         "tracker; vda>vda nbd/MIRROR_HERE b2:carry b1:CHAIN_GAP"},
        {"nothing known of the layers below", "vda mirror=x b2/rp | b1/rp", "",
         "vda export=x | b1/rp", "", "tracker; vda>vda nbd/MIRROR_HERE b2:carry b1:CHAIN_GAP"},
        {"no match, and the same name below: the union", "vda mirror=x b/rp | copy=S b/rp", "",
         "vda export=x | copy=R b/rp", "", "tracker; vda>vda nbd/MIRROR_HERE b:union b:part"},
        {"layers below in another order", "vda b/rp | copy=S b/rp | copy=R", "",
         "vda | copy=R | copy=S", "", "tracker; vda>vda nbd/NOTHING b:union b:part"},
        {"more layers there than here", "vda b/rp", "", "vda | copy=R", "",
         "tracker; vda>vda nbd/NOTHING b:carry"},
        {"flattened: another size below", "vda mirror=x size=2 b/rp c/rp | size=1 b/rp", "",
         "vda export=x size=2", "",
         "tracker; vda>vda nbd/MIRROR_HERE b:CHAIN_RESIZED c:carry b:CHAIN_RESIZED"},
        {"flattened: from the top down without a gap",
         "vda mirror=x b1/rp b2/rp b3/rp | b1/rp b2/rp | b1/rp", "", "vda export=x", "",
         "tracker; vda>vda nbd/MIRROR_HERE b1:union b2:union b3:carry b1:part b2:part b1:part"},
        {"flattened: missing on top", "vda mirror=x b2/rp b3/rp | b1/rp", "", "vda export=x", "",
         "tracker; vda>vda nbd/MIRROR_HERE b2:carry b3:carry b1:CHAIN_GAP"},
        {"flattened: missing in the middle", "vda mirror=x b/rp | c/rp | b/rp", "", "vda export=x",
         "", "tracker; vda>vda nbd/MIRROR_HERE b:CHAIN_GAP c:CHAIN_GAP b:CHAIN_GAP"},
        {"flattened: switched off below", "vda mirror=x b/rp | b/p", "", "vda export=x", "",
         "tracker; vda>vda nbd/MIRROR_HERE b:CHAIN_GAP b:CHAIN_GAP"},
        {"flattened: inconsistent below", "vda mirror=x b/rp | b/pir", "", "vda export=x", "",
         "tracker; vda>vda nbd/MIRROR_HERE b:BITMAP_INCONSISTENT b:BITMAP_INCONSISTENT"},
        {"partly flattened: two into one, a third stays", "vda mirror=x b/rp | b/rp | copy=S c/rp",
         "", "vda export=x | copy=S c/rp", "",
         "tracker; vda>vda nbd/MIRROR_HERE b:union b:part c:in-image@1"},
        {"a union is never QEMU's doing", "vda alias=a mirror=x b/rpm | b/rp", "bitmaps",
         "vda alias=a export=x", "bitmaps", "tracker; vda>vda stream/CAPABILITY b:union b:part"},
    };

    (void)state;
    CHECK(rows);
}

static void dangers_of_the_stream_are_pointed_out(void **state)
{
    static const struct row rows[] = {
        {"an inconsistent one fails the whole migration", "vda alias=a c/rpm d/pi", "bitmaps",
         "vda alias=a", "",
         "freeze; vda>vda stream/CAPABILITY c:native d:BITMAP_INCONSISTENT "
         "(POISONED)"},
        {"a name that is there already", "vda alias=a c/rpm", "bitmaps", "vda alias=a c/rp", "",
         "freeze; vda>vda stream/CAPABILITY c:native (COLLISION)"},
        {"a smaller disk", "vda alias=a size=2 c/rpm", "bitmaps", "vda alias=a size=1", "",
         "freeze; vda>- stream/CAPABILITY c:SIZE_MISMATCH (SHRUNK)"},
        {"16.7 M bits", "vda alias=a size=1024 c/rpm", "bitmaps", "vda alias=a size=1024", "",
         "freeze; vda>vda stream/CAPABILITY c:native (DOWNTIME_IDLE)"},
        {"67 M bits", "vda alias=a size=4096 c/rpm", "bitmaps", "vda alias=a size=4096", "",
         "freeze; vda>vda stream/CAPABILITY c:native (DOWNTIME_NEVER)"},
        {"no bit of it in the mapping", "vda alias=a size=4096 c/p", "bitmaps",
         "vda alias=a size=4096", "", "tracker; vda>vda stream/CAPABILITY c:carry"},
    };

    (void)state;
    CHECK(rows);
}

/* What is put into the image below by hand: "SERVE; PULL", or nothing. */
static void check_install(const char *source, const char *dest, const char *wanted)
{
    static struct world here;
    static struct world there;
    struct bf_mode_plan plan;
    struct bf_install_commands commands;
    char said[2 * sizeof commands] = "";
    uint32_t layer;

    make_world(&here, source, "");
    make_world(&there, dest, "");
    assert_int_equal(bf_mode_plan_make(&here.vm, &there.vm, &plan, NULL), 0);
    if (bf_layer_awaits_install(&here.disks[0], &there.disks[0], &plan.disks[0], 1, &layer) &&
        bf_install_commands_make(&here.disks[0].layers[1], &there.disks[0].layers[layer],
                                 &commands))
        (void)snprintf(said, sizeof said, "%s; %s", commands.serve, commands.pull);
    assert_string_equal(said, wanted);
    bf_mode_plan_release(&plan);
}

static void what_an_image_below_lacks_can_be_put_in(void **state)
{
    const char *there = "vda export=x | path=/t copy=R";

    (void)state;
    check_install("vda mirror=x b/rp | path=/s copy=S bits=B b/rp", there,
                  "bitferry serve '/s'; bitferry pull URI --into '/t'");
    check_install("vda mirror=x b/rp | path=/it's$rm copy=S bits=B b/rp", there,
                  "bitferry serve '/it'\\''s$rm'; bitferry pull URI --into '/t'");
    check_install("vda mirror=x b/rp | path=/s\x1b[31m bits=B b/rp", there, "");
    check_install("vda mirror=x b/rp | bits=B b/rp", there, "");
    check_install("vda mirror=x b/rp | path=/s size=2 bits=B b/rp", there, "");
    check_install("vda mirror=x b/rp | path=/s bits=B b/r", there, "");
    check_install("vda mirror=x b/rp | path=/s bits=B b/rp", "vda export=x | path=/t raw", "");
    check_install("vda mirror=x b/rp | path=/s bits=B b/rp", "vda export=x", "");
    check_install("vda mirror=x b/rp | path=/s bits=B b/rp", "vda export=x | path=/t bits=B b/rp",
                  "");
    check_install("vda mirror=x b/rp | path=/s copy=S", there, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode_is_found_by_facts),
        cmocka_unit_test(what_qemu_would_lose_is_carried_where_that_leaves_no_gap),
        cmocka_unit_test(disks_are_matched_by_what_they_are),
        cmocka_unit_test(chains_are_kept_or_flattened),
        cmocka_unit_test(what_an_image_below_lacks_can_be_put_in),
        cmocka_unit_test(dangers_of_the_stream_are_pointed_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
