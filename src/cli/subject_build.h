/** Putting a subject together; for the files subject_*.c. */
#ifndef CLI_SUBJECT_BUILD_H
#define CLI_SUBJECT_BUILD_H

#include "base/cleanup.h"
#include "subject.h"

#include <jansson.h>

/** Strings are copied; the result is valid until the next disk.  Errors: NO_MEMORY, EXISTS. */
int bf_subject_add_disk(struct bf_subject *subject, const char *name,
                        struct bf_subject_disk **ret_disk, struct bf_error *err);

/** One more image below those that are there.  Errors: NO_MEMORY. */
int bf_subject_add_layer(struct bf_subject_disk *disk, const char *node, const char *file,
                         uint64_t size_bytes, struct bf_catalog_disk **ret_layer,
                         struct bf_error *err);

/** Nothing, or nothing of use, is known of the disk. */
int bf_subject_refuse_disk(struct bf_subject_disk *disk, enum bf_coverage_reason reason,
                           const char *problem, struct bf_error *err);

/** *text = a copy, in place of what it was.  Errors: NO_MEMORY. */
int bf_subject_set(char **text, const char *value, struct bf_error *err);

/* What each finds is added to the subject. */
int bf_subject_qemu(const struct bf_subject_request *request, struct bf_subject *subject,
                    struct bf_error *err);
int bf_subject_targets(const struct bf_subject_request *request, struct bf_subject *subject,
                       struct bf_error *err);
int bf_subject_domain(const struct bf_subject_request *request, struct bf_subject *subject,
                      struct bf_error *err);

/** The images of a disk, from the one at @path down.  Errors: those of reading it. */
int bf_subject_image_chain(const char *path, struct bf_subject_disk *disk, struct bf_error *err);

/** A running QEMU behind @socket.  @disks: as of bf_gather_facts(). */
int bf_subject_socket(const char *socket, const json_t *disks, struct bf_subject *subject,
                      struct bf_error *err);

/** From the file, or what an archive knew, or by the names of the bitmaps. */
int bf_subject_find_checkpoints(const char *file, struct bf_subject *subject, struct bf_error *err);

#endif
