#include "server_index.h"

#include "base/name.h"
#include "catalog/json.h"
#include "interruptible_pull.h"
#include "nbd/list.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_SHOWN = 5 };

/* "'a', 'b' and 3 more" */
static void name_exports(const struct bf_nbd_exports *list, char *buf, size_t nr_bytes)
{
    size_t used = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < list->nr_exports && i < NAMES_SHOWN; i++)
        used += (size_t)snprintf(buf + used, nr_bytes - used, "%s'%.60s'", i > 0 ? ", " : "",
                                 list->exports[i].name);
    if (list->nr_exports > NAMES_SHOWN)
        (void)snprintf(buf + used, nr_bytes - used, " and %zu more",
                       list->nr_exports - NAMES_SHOWN);
}

/* A server that answers but has no index: say what it is instead. */
static int explain_other_server(const struct bf_nbd_endpoint *endpoint, struct bf_error *err)
{
    struct bf_nbd_exports list = {0};
    char names[NAMES_SHOWN * 64 + 40] = "nothing that it tells";

    bf_error_clear(err);
    if (bf_nbd_list(endpoint, &list, NULL) == 0 && list.nr_exports > 0)
        name_exports(&list, names, sizeof names);
    bf_nbd_exports_release(&list);
    return bf_error_set(err, BF_E_UNSUPPORTED,
                        "'%.300s' is an NBD server but not one of bitferry: it has no index and "
                        "exports %s; run 'bitferry serve' there",
                        endpoint->uri, names);
}

int bf_server_index_fetch(const struct bf_nbd_endpoint *endpoint, struct bf_catalog *ret_catalog,
                          struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *text = NULL;
    struct bf_error local = BF_ERROR_INIT;
    size_t nr_bytes = 0;
    int ret =
        bf_interruptible_fetch(endpoint, "", BF_CATALOG_JSON_MAX_BYTES, &text, &nr_bytes, &local);

    /* Too large, or there is no default export: the server is there, the index is not. */
    if (local.code == BF_E_LIMIT || local.code == BF_E_NOT_FOUND)
        return explain_other_server(endpoint, err);
    if (ret < 0)
        return bf_error_set(err, local.code, "%s", local.text);
    if (text[0] != '{')
        return explain_other_server(endpoint, err);
    return bf_catalog_parse(text, nr_bytes, ret_catalog, err);
}

int bf_server_index_keep(struct bf_catalog *catalog, const char *export_name, struct bf_error *err)
{
    struct bf_export_name name;
    struct bf_catalog one = {0};
    struct bf_catalog_disk *disk = NULL;
    const struct bf_catalog_disk *from;
    const struct bf_catalog_bitmap *bitmap = NULL;
    int ret = bf_export_name_decode(export_name, &name, err);

    if (ret < 0)
        return ret;
    from = bf_catalog_find_disk(catalog, name.disk);
    if (from && name.view != BF_VIEW_DISK)
        bitmap = bf_catalog_find_bitmap(from, name.bitmap);
    if (!from || (!bitmap && name.view != BF_VIEW_DISK))
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "the server has no export '%.300s'",
                            export_name);
    ret = bf_catalog_add_disk(&one, from->name, from->virtual_size_bytes, &disk, err);
    for (size_t i = 0; ret == 0 && i < from->nr_bitmaps; i++) {
        if (!bitmap || bitmap == &from->bitmaps[i])
            ret = bf_catalog_add_bitmap(disk, &from->bitmaps[i], err);
    }
    if (ret < 0) {
        bf_catalog_release(&one);
        return ret;
    }
    bf_catalog_release(catalog);
    *catalog = one;
    return 0;
}
