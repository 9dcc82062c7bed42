/* nbdkit-bitferry-plugin: what nbdkit calls.  Everything here turns a callback into a call of the
 * modules beside it, and a bf_error into nbdkit's way of saying it. */
#include "catalog/json.h"
#include "config.h"
#include "export.h"
#include "late.h"
#include "listing.h"
#include "store.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LATE_POLL_NS = 500000 };

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct bf_config config;
static struct bf_store store;
static struct bf_late late;

/* nbdkit sends EINVAL for an errno that the NBD protocol does not have, so there are but two. */
static int say(const struct bf_error *err)
{
    nbdkit_error("%s", err->text);
    nbdkit_set_error(err->code == BF_E_NO_MEMORY ? ENOMEM : EIO);
    return -1;
}

static void plugin_unload(void)
{
    bf_late_release(&late);
    bf_store_release(&store);
    bf_config_release(&config);
}

static int plugin_config(const char *key, const char *value)
{
    struct bf_error err = BF_ERROR_INIT;

    return bf_config_set(&config, key, value, &err) < 0 ? say(&err) : 0;
}

/* On the SIGTERM of --exit-with-parent nbdkit waits for its clients, and one that reads nothing
 * keeps it for ever.  Whoever only reads has nothing to finish.  And a parent that has ended before
 * any of this was in force is none any more: bitferry's daemons say who they are. */
static void end_with_parent(void)
{
    const char *parent = getenv("BITFERRY_PARENT");
    int signum = 0;

    if (prctl(PR_GET_PDEATHSIG, &signum) == 0 && signum != 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (parent && strtol(parent, NULL, 10) != getppid())
        (void)raise(SIGKILL);
}

/* Before nbdkit forks: the locks belong to the open files, which the child inherits. */
static int plugin_get_ready(void)
{
    struct bf_error err = BF_ERROR_INIT;

    end_with_parent();
    if (bf_late_init(&late, &config, &err) < 0 || bf_store_open(&store, &config, &err) < 0)
        return say(&err);
    return 0;
}

static void plugin_dump(void)
{
    printf("bitferry_version=%s\n", BF_VERSION);
    printf("bitferry_index_schema=%d\n", BF_CATALOG_SCHEMA);
    printf("bitferry_views=bits,qcow2\n");
}

static int add_export(void *exports, const char *name, const char *description)
{
    return nbdkit_add_export(exports, name, description);
}

static int plugin_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports)
{
    struct bf_error err = BF_ERROR_INIT;
    int ret;

    (void)readonly;
    (void)is_tls;
    if (config.token)
        return 0; /* who may know of them knows their names */
    ret = bf_listing_each(&store, add_export, exports, &err);
    if (err.code != BF_E_NONE)
        return say(&err);
    return ret < 0 ? -1 : 0; /* nbdkit_add_export() has said why */
}

/* Ended by the client's going, and by nbdkit's end. */
static int pause_a_little(void)
{
    return nbdkit_nanosleep(0, LATE_POLL_NS);
}

static int open_export(const char *name, struct bf_export **ret_export, struct bf_error *err)
{
    struct bf_store *from = NULL;
    int ret = bf_late_find(&late, name, pause_a_little, &from, err);

    return ret < 0 ? ret : bf_export_open(from ? from : &store, name, ret_export, err);
}

static void *plugin_open(int readonly)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_export *export = NULL;
    const char *name = nbdkit_export_name();

    (void)readonly;
    if (!name)
        return NULL;
    name = bf_config_behind_token(&config, name);
    if (!name)
        (void)bf_error_set(&err, BF_E_PERMISSION, "no token in the name of the export");
    if (!name || open_export(name, &export, &err) < 0)
        (void)say(&err);
    return export;
}

static void plugin_close(void *handle)
{
    bf_export_free(handle);
}

static int64_t plugin_get_size(void *handle)
{
    const struct bf_export *export = handle;

    return (int64_t) export->size_bytes;
}

static const char *plugin_export_description(void *handle)
{
    const struct bf_export *export = handle;
    char description[BF_DESCRIPTION_MAX + 1];

    if (export->index)
        return "index of the bitmaps that are served here, as JSON";
    if (export->whole_disk)
        return "packed bits of all bitmaps of a disk that can be used, in the order of the index, "
               "each from a multiple of 4096 on";
    bf_listing_describe(export->store, export->which, description);
    return nbdkit_strdup_intern(description);
}

static int plugin_can_multi_conn(void *handle)
{
    (void)handle;
    return 1;
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                             uint32_t *maximum)
{
    (void)handle;
    *minimum = 1;
    *preferred = BF_WINDOW_BYTES;
    *maximum = 32 << 20;
    return 0;
}

static int plugin_pread(void *handle, void *buf, uint32_t nr_bytes, uint64_t offset_bytes,
                        uint32_t flags)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)flags;
    return bf_export_read(handle, buf, nr_bytes, offset_bytes, &err) < 0 ? say(&err) : 0;
}

struct extents {
    struct nbdkit_extents *list;
    bool only_first;
    int first_type; /* -1 until there is one */
    bool failed;    /* nbdkit has said why */
};

/* nbdkit joins neighbours of one type. */
static int add_extent(void *ctx, const struct bf_piece *piece)
{
    struct extents *extents = ctx;
    int type = piece->hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;

    if (extents->first_type < 0)
        extents->first_type = type;
    if (extents->only_first && type != extents->first_type)
        return 1;
    extents->failed =
        nbdkit_add_extent(extents->list, piece->offset_bytes, piece->nr_bytes, (uint32_t)type) < 0;
    return extents->failed;
}

static int plugin_extents(void *handle, uint32_t nr_bytes, uint64_t offset_bytes, uint32_t flags,
                          struct nbdkit_extents *list)
{
    struct bf_error err = BF_ERROR_INIT;
    struct extents extents = {
        .list = list,
        .only_first = (flags & NBDKIT_FLAG_REQ_ONE) != 0,
        .first_type = -1,
    };

    if (bf_export_each_piece(handle, offset_bytes, nr_bytes, add_extent, &extents, &err) < 0)
        return say(&err);
    return extents.failed ? -1 : 0;
}

static struct nbdkit_plugin plugin = {
    .name = "bitferry",
    .longname = "bitferry dirty bitmaps",
    .version = BF_VERSION,
    .description = "serve the dirty bitmaps of qcow2 images, one export each, read-only",
    .unload = plugin_unload,
    .config = plugin_config,
    .config_help = "[image=][NAME=]FILE  A qcow2 image; NAME (default: the file name without\n"
                   "                     .qcow2) is the disk in the export names.  Repeatable.\n"
                   "carrier=[NAME=]FILE  The same; default: the file name without .carrier.qcow2.\n"
                   "late=NAME=FILE       A carrier that may come later: its clients wait.\n"
                   "dir=FOLDER           Every *.carrier.qcow2 in it, or every *.qcow2.\n"
                   "bitmap=NAME          Serve only the bitmaps of this name.  Repeatable.\n"
                   "token=+FILE          Only for clients that know what is in FILE: every export\n"
                   "                     name begins with it and a '/', and none is listed.",
    .magic_config_key = "image",
    .get_ready = plugin_get_ready,
    .dump_plugin = plugin_dump,
    .list_exports = plugin_list_exports,
    .open = plugin_open,
    .close = plugin_close,
    .get_size = plugin_get_size,
    .export_description = plugin_export_description,
    .can_multi_conn = plugin_can_multi_conn,
    .block_size = plugin_block_size,
    .pread = plugin_pread,
    .extents = plugin_extents,
};

NBDKIT_DLL_PUBLIC struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
