#include "nbd/list.h"

#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    struct bf_nbd_link link;
    struct bf_nbd_exports list;
    size_t nr_room;
    size_t nr_text_bytes;
    bool asked;
    bool answered;
    int errnum;
    struct bf_error err;
};

void bf_nbd_exports_release(struct bf_nbd_exports *list)
{
    for (size_t i = 0; i < list->nr_exports; i++) {
        free(list->exports[i].name);
        free(list->exports[i].description);
    }
    free(list->exports);
    *list = (struct bf_nbd_exports){0};
}

static int grow(struct listing *listing)
{
    size_t nr_room = listing->nr_room ? 2 * listing->nr_room : 64;
    struct bf_nbd_export *exports;

    if (listing->list.nr_exports < listing->nr_room)
        return 0;
    exports = reallocarray(listing->list.exports, nr_room, sizeof *exports);
    if (!exports)
        return -ENOMEM;
    listing->list.exports = exports;
    listing->nr_room = nr_room;
    return 0;
}

static int append(struct listing *listing, const char *name, const char *description)
{
    BF_CLEANUP(bf_freep) char *name_copy = strdup(name);
    BF_CLEANUP(bf_freep) char *description_copy = strdup(description);

    listing->nr_text_bytes += strlen(name) + strlen(description);
    if (listing->list.nr_exports >= BF_NBD_EXPORTS_MAX ||
        listing->nr_text_bytes > BF_NBD_EXPORTS_MAX_BYTES)
        return bf_error_set(&listing->err, BF_E_LIMIT,
                            "the server lists more than %d exports, or %d MiB of names",
                            BF_NBD_EXPORTS_MAX, BF_NBD_EXPORTS_MAX_BYTES >> 20);
    if (!name_copy || !description_copy || grow(listing) < 0)
        return bf_error_set(&listing->err, BF_E_NO_MEMORY, "no memory for the list of exports");
    listing->list.exports[listing->list.nr_exports++] =
        (struct bf_nbd_export){bf_steal_ptr(&name_copy), bf_steal_ptr(&description_copy)};
    return 0;
}

/* libnbd reads on as long as the server sends: an endless list must be cut off.
 */
static int on_export(void *ctx, const char *name, const char *description)
{
    struct listing *listing = ctx;

    if (listing->err.code == BF_E_NONE && append(listing, name, description) < 0)
        bf_nbd_link_cut(&listing->link);
    return 0;
}

static int on_answer(void *ctx, int *errnum)
{
    struct listing *listing = ctx;

    listing->answered = true;
    listing->errnum = *errnum;
    return 1;
}

static void ask(struct listing *listing)
{
    struct nbd_handle *nbd = listing->link.nbd;

    if (nbd_aio_is_ready(nbd)) {
        bf_error_set(&listing->err, BF_E_UNSUPPORTED,
                     "the server at '%s' speaks the old handshake, which has no list",
                     listing->link.uri);
    } else if (nbd_aio_is_negotiating(nbd)) {
        listing->asked = true;
        if (nbd_aio_opt_list(
                nbd, (nbd_list_callback){.callback = on_export, .user_data = listing},
                (nbd_completion_callback){.callback = on_answer, .user_data = listing}) < 0)
            bf_nbd_error(&listing->err, "asking for the list of exports");
    }
}

static void on_event(void *ctx, struct bf_error *err)
{
    struct listing *listing = ctx;

    if (err)
        bf_error_set(&listing->err, err->code, "%s", err->text);
    else if (!listing->asked)
        ask(listing);
    if (listing->answered && listing->errnum != 0)
        bf_nbd_error(&listing->err, "the server does not list its exports");
    if (listing->answered || listing->err.code != BF_E_NONE)
        bf_nbd_link_close(&listing->link);
}

static void on_closed(void *ctx)
{
    (void)ctx;
}

int bf_nbd_list(const struct bf_nbd_endpoint *endpoint, struct bf_nbd_exports *ret_list,
                struct bf_error *err)
{
    struct listing listing = {.link = {.event = on_event, .closed = on_closed, .ctx = &listing}};
    uv_loop_t loop;
    int r = uv_loop_init(&loop);

    *ret_list = (struct bf_nbd_exports){0};
    if (r < 0)
        return bf_error_set(err, BF_E_IO, "cannot make an event loop: %s", uv_strerror(r));
    if (bf_nbd_link_open(&listing.link, &loop, endpoint, &listing.err) == 0)
        uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    if (listing.err.code != BF_E_NONE) {
        bf_nbd_exports_release(&listing.list);
        return bf_error_set(err, listing.err.code, "%s", listing.err.text);
    }
    *ret_list = listing.list;
    return 0;
}
