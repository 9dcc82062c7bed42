/** The bitmaps themselves, of a domain that is shut off: an archive for each disk in the folder of
 *  what was captured, so that they can be put into images that were copied without them. */
#ifndef CLI_MIGRATE_BITS_H
#define CLI_MIGRATE_BITS_H

#include "migrate_look.h"

/** Into @folder/bitmaps-TARGET, for each disk that was seen and has bitmaps; old ones are made
 *  anew. */
int bf_bits_keep(const char *folder, const struct bf_look *look, struct bf_error *err);

/** All bitmaps of @folder/bitmaps-TARGET into @image, those of the same name replaced.  Errors:
 *  NOT_FOUND if there is no archive; what `bitferry restore` says. */
int bf_bits_put(const char *folder, const char *target, const char *image, struct bf_error *err);

/** Remove the archives. */
void bf_bits_remove(const char *folder, const struct bf_look *look);

#endif
