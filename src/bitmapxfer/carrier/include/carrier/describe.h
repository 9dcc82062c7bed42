/** The catalog entry of an open image: its bitmaps with count and digest. */
#ifndef CARRIER_DESCRIBE_H
#define CARRIER_DESCRIBE_H

#include "carrier/reader.h"
#include "model/catalog.h"

/** Append @reader's image as disk @disk_name to @catalog.  With @summarize every consistent bitmap
 * is read once for count and digest.  Inconsistent ones are listed with the reason. */
int bf_describe_image(struct bf_reader *reader, const char *disk_name, bool summarize,
                      const struct bf_progress *progress, struct bf_catalog *catalog,
                      struct bf_error *err);

#endif
