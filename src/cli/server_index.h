/** The index of a bitferry server: its default export, a catalog. */
#ifndef CLI_SERVER_INDEX_H
#define CLI_SERVER_INDEX_H

#include "model/catalog.h"
#include "nbd/endpoint.h"

/** @ret_catalog must be zeroed.  Errors: UNSUPPORTED for a server that has no index, with what it
 *  exports instead; else as a pull and bf_catalog_parse(). */
int bf_server_index_fetch(const struct bf_nbd_endpoint *endpoint, struct bf_catalog *ret_catalog,
                          struct bf_error *err);

/** Reduce @catalog to the bitmap or the disk that @export_name means.  Errors: BITMAP_NOT_FOUND. */
int bf_server_index_keep(struct bf_catalog *catalog, const char *export_name, struct bf_error *err);

#endif
