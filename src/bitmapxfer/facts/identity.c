#include "facts/facts.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 4096,
    CONTENT_BYTES = 1 << 20,
};

char *bf_image_path(const char *file)
{
    BF_CLEANUP(json_decrefp) json_t *described = NULL;
    const json_t *at;

    if (file[0] == '/')
        return strdup(file);
    if (strncmp(file, "json:", 5) != 0)
        return NULL;
    described = json_loads(file + 5, 0, NULL);
    for (at = described; json_is_object(json_object_get(at, "file"));
         at = json_object_get(at, "file"))
        ;
    file = json_string_value(json_object_get(at, "filename"));
    return file && file[0] == '/' ? strdup(file) : NULL;
}

static bool read_line(const char *path, char *buf, size_t nr_bytes)
{
    FILE *stream = fopen(path, "re");
    bool read = stream && fgets(buf, (int)nr_bytes, stream);

    if (stream)
        (void)fclose(stream);
    if (read)
        buf[strcspn(buf, "\n")] = '\0';
    return read && buf[0] != '\0';
}

/* Of file systems that several hosts can have mounted at the same time. */
static bool is_networked(const char *path)
{
    static const unsigned long types[] = {
        0x6969 /* NFS */,       0x00c36400 /* Ceph */,   0x01161970 /* GFS2 */,
        0x7461636f /* OCFS2 */, 0xff534d42 /* CIFS */,   0xfe534d42 /* SMB2 */,
        0x47504653 /* GPFS */,  0x0bd00bd0 /* Lustre */, FUSE_SUPER_MAGIC,
        0x01021997 /* 9p */,
    };
    struct statfs fs;

    if (statfs(path, &fs) < 0)
        return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if ((unsigned long)fs.f_type == types[i])
            return true;
    }
    return false;
}

/* What is mounted there, as all hosts name it: the source field of its line in mountinfo. */
static bool find_source(dev_t device, char *buf, size_t nr_bytes)
{
    FILE *stream = fopen("/proc/self/mountinfo", "re");
    char line[LINE_MAX_BYTES];
    unsigned maj;
    unsigned min;
    bool found = false;

    while (stream && !found && fgets(line, sizeof line, stream)) {
        const char *behind = strstr(line, " - ");
        char source[LINE_MAX_BYTES];

        found = sscanf(line, "%*d %*d %u:%u", &maj, &min) == 2 && major(device) == maj &&
                minor(device) == min && behind && sscanf(behind, " - %*s %4095s", source) == 1 &&
                (size_t)snprintf(buf, nr_bytes, "%s", source) < nr_bytes;
    }
    if (stream)
        (void)fclose(stream);
    return found;
}

static bool name_device(const struct stat *st, char *buf, size_t nr_bytes)
{
    static const char *const places[] = {"wwid", "device/wwid", "dm/uuid", "../wwid"};
    char path[128];
    char id[512];

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s", major(st->st_rdev),
                       minor(st->st_rdev), places[i]);
        if (read_line(path, id, sizeof id))
            return (size_t)snprintf(buf, nr_bytes, "device %s", id) < nr_bytes;
    }
    return false;
}

/* Unique among all hosts, and gone with the next boot: what it names could be another file then. */
static bool name_local(const struct stat *st, char *buf, size_t nr_bytes)
{
    dev_t device = S_ISBLK(st->st_mode) ? st->st_rdev : st->st_dev;
    char boot[64];

    return read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot) &&
           (size_t)snprintf(buf, nr_bytes, "host %s %u:%u %llu", boot, major(device), minor(device),
                            (unsigned long long)st->st_ino) < nr_bytes;
}

void bf_image_identity(const char *file, char buf[BF_FACTS_IDENTITY_MAX_BYTES + 1])
{
    BF_CLEANUP(bf_freep) char *path = bf_image_path(file);
    size_t nr_bytes = BF_FACTS_IDENTITY_MAX_BYTES + 1;
    char source[512];
    struct stat st;
    bool named = false;

    if (path && stat(path, &st) == 0) {
        if (S_ISBLK(st.st_mode))
            named = name_device(&st, buf, nr_bytes) || name_local(&st, buf, nr_bytes);
        else if (is_networked(path))
            named = find_source(st.st_dev, source, sizeof source) &&
                    (size_t)snprintf(buf, nr_bytes, "share %s %llu", source,
                                     (unsigned long long)st.st_ino) < nr_bytes;
        else
            named = name_local(&st, buf, nr_bytes);
    }
    if (!named)
        buf[0] = '\0';
}

void bf_image_content(const char *file, char buf[BF_FACTS_IDENTITY_MAX_BYTES + 1])
{
    BF_CLEANUP(bf_freep) char *path = bf_image_path(file);
    BF_CLEANUP(bf_fd_closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    BF_CLEANUP(bf_freep) uint8_t *bytes = malloc(CONTENT_BYTES);
    uint8_t digest[SHA256_DIGEST_SIZE];
    char hex[BF_HEX_SHA256_MAX];
    struct sha256_ctx ctx;
    ssize_t nr_bytes = fd >= 0 && bytes ? pread(fd, bytes, CONTENT_BYTES, 0) : -1;
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;

    buf[0] = '\0';
    if (nr_bytes <= 0 || end < 0)
        return;
    sha256_init(&ctx);
    sha256_update(&ctx, (size_t)nr_bytes, bytes);
    sha256_digest(&ctx, sizeof digest, digest);
    bf_hex_encode(digest, sizeof digest, hex);
    (void)snprintf(buf, BF_FACTS_IDENTITY_MAX_BYTES + 1, "%lld %s", (long long)end, hex);
}
