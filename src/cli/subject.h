/** A VM as it is now, for a person's questions: its disks, the images of each from the top down,
 *  their bitmaps, and the checkpoints that somebody keeps of them.  Looked at, never changed.
 *
 *     running QEMU (QMP socket, or through libvirt) -.
 *     images of a VM that is shut off ---------------+--> struct bf_subject --> doctor, timeline
 *     archive folder, NBD server of bitferry --------'
 */
#ifndef CLI_SUBJECT_H
#define CLI_SUBJECT_H

#include "command.h"
#include "model/coverage.h"

struct bf_subject_image {
    char *node;     /* in a running QEMU, else "" */
    char *file;     /* path, or what QEMU calls it */
    bool can_store; /* bitmaps: qcow2 version 3 */
    bool is_old;    /* known to be qcow2 version 2 */
};

struct bf_subject_disk {
    char *name;
    struct bf_catalog layers;        /* a catalog disk for each image, from the top down */
    struct bf_subject_image *images; /* of each of them */
    enum bf_coverage_reason unusable;
    char *problem; /* of @unusable, or NULL */
    char *holders; /* the exports and jobs on it, or NULL: what makes a bitmap busy */
};

enum bf_subject_kind {
    BF_SUBJECT_OF_QEMU,
    BF_SUBJECT_OF_IMAGES, /* shut off */
    BF_SUBJECT_OF_ARCHIVE,
};

/** Who told the checkpoints. */
enum bf_subject_origin {
    BF_SUBJECT_BY_LIBVIRT,
    BF_SUBJECT_BY_FILE,
    BF_SUBJECT_BY_NAMES, /* nobody: every persistent bitmap stands for one of its name */
};

struct bf_subject {
    enum bf_subject_kind kind;
    enum bf_subject_origin origin;
    char *title;     /* "web1", "vda.qcow2" */
    char *domain;    /* libvirt's, or NULL */
    char *connect;   /* the URI that the user gave for it, or NULL */
    char *qmp;       /* the socket of the user's, or NULL */
    char *migration; /* "failed" or "cancelled", with `dirty-bitmaps` on; or NULL */
    struct bf_subject_disk *disks;
    size_t nr_disks;
    struct bf_checkpoints checkpoints;
};

/** What the user asks for, borrowed from the command line. */
struct bf_subject_request {
    const struct bf_arguments *args;
    const char *domain;      /* or NULL */
    const char *connect;     /* libvirt's URI, or NULL */
    const char *qmp;         /* or NULL */
    const char *checkpoints; /* file, or NULL */
    size_t disk_option;      /* index of --disk, which is NAME=NODE with --qmp */
    const char *tls_certificates;
    uint64_t deadline_ms;
};

/** The options that `doctor` and `inspect --timeline` share, as entries of an option table. */
#define BF_SUBJECT_OPTION_DOMAIN                                                                   \
    {                                                                                              \
        .name = "domain", .placeholder = "NAME", .kind = BF_ARGUMENT_TEXT,                         \
        .help = "a libvirt domain, running or shut off, with its checkpoints"                      \
    }
#define BF_SUBJECT_OPTION_CONNECT                                                                  \
    {                                                                                              \
        .name = "connect", .letter = 'c', .placeholder = "URI", .kind = BF_ARGUMENT_TEXT,          \
        .help = "libvirt for _--domain_ (libvirt's default)"                                       \
    }
#define BF_SUBJECT_OPTION_QMP                                                                      \
    {                                                                                              \
        .name = "qmp", .placeholder = "SOCKET", .kind = BF_ARGUMENT_FILE,                          \
        .help = "a QMP socket of a running QEMU or qemu-storage-daemon"                            \
    }
#define BF_SUBJECT_OPTION_CHECKPOINTS                                                              \
    {                                                                                              \
        .name = "checkpoints", .placeholder = "FILE", .kind = BF_ARGUMENT_FILE,                    \
        .help = "which checkpoints there are, in JSON (the manual says how under *doctor*); "      \
                "without it, and without libvirt, each name of a persistent bitmap is one"         \
    }

/** Look.  Errors: USAGE (not exactly one of domain, socket and targets), and those of what is
 *  looked at; a disk that cannot be looked at is no error. */
int bf_subject_open(const struct bf_subject_request *request, struct bf_subject *ret_view,
                    struct bf_error *err);
void bf_subject_release(struct bf_subject *subject);

/** The disk as model/coverage.h wants it; borrows. */
struct bf_coverage_disk bf_subject_coverage_disk(const struct bf_subject_disk *disk);

enum { BF_SUBJECT_TIME_MAX = 32 };

/** "2026-11-30 17:05", local time; "" if it is not known.  Returns @buf. */
const char *bf_subject_time_text(const struct bf_checkpoint *checkpoint,
                                 char buf[BF_SUBJECT_TIME_MAX]);

#endif
