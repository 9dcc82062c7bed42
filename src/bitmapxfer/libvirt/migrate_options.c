#include "migrate_options.h"

#include "handles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One row per option of `virsh migrate` (libvirt 9.0 to 11.3). */

enum kind {
    FLAG,       /* a flag of libvirt's call */
    TEXT,       /* a parameter */
    NUMBER_INT, /* likewise */
    NUMBER_U64, /* likewise */
    FILE_TEXT,  /* a parameter: what is in the file */
    LIST,       /* a parameter for each of the words between commas */
    TIMEOUT,
    TIMEOUT_ACTION,
    REFUSED,
    IGNORED,
};

struct known_option {
    const char *name;
    enum kind kind;
    unsigned long flag;
    const char *param; /* or why it is refused */
};

static const struct known_option known_options[] = {
    {"live", FLAG, VIR_MIGRATE_LIVE, NULL},
    {"offline", FLAG, VIR_MIGRATE_OFFLINE, NULL},
    {"p2p", FLAG, VIR_MIGRATE_PEER2PEER, NULL},
    {"tunnelled", FLAG, VIR_MIGRATE_TUNNELLED, NULL},
    {"persistent", FLAG, VIR_MIGRATE_PERSIST_DEST, NULL},
    {"undefinesource", FLAG, VIR_MIGRATE_UNDEFINE_SOURCE, NULL},
    {"suspend", FLAG, VIR_MIGRATE_PAUSED, NULL},
    {"copy-storage-all", FLAG, VIR_MIGRATE_NON_SHARED_DISK, NULL},
    {"copy-storage-inc", FLAG, VIR_MIGRATE_NON_SHARED_INC, NULL},
    {"copy-storage-synchronous-writes", FLAG, VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES, NULL},
    {"change-protection", FLAG, VIR_MIGRATE_CHANGE_PROTECTION, NULL},
    {"unsafe", FLAG, VIR_MIGRATE_UNSAFE, NULL},
    {"compressed", FLAG, VIR_MIGRATE_COMPRESSED, NULL},
    {"auto-converge", FLAG, VIR_MIGRATE_AUTO_CONVERGE, NULL},
    {"rdma-pin-all", FLAG, VIR_MIGRATE_RDMA_PIN_ALL, NULL},
    {"abort-on-error", FLAG, VIR_MIGRATE_ABORT_ON_ERROR, NULL},
    {"postcopy", FLAG, VIR_MIGRATE_POSTCOPY, NULL},
    {"zerocopy", FLAG, VIR_MIGRATE_ZEROCOPY, NULL},
    {"tls", FLAG, VIR_MIGRATE_TLS, NULL},
    {"parallel", FLAG, VIR_MIGRATE_PARALLEL, NULL},
    {"migrateuri", TEXT, 0, VIR_MIGRATE_PARAM_URI},
    {"graphicsuri", TEXT, 0, VIR_MIGRATE_PARAM_GRAPHICS_URI},
    {"listen-address", TEXT, 0, VIR_MIGRATE_PARAM_LISTEN_ADDRESS},
    {"dname", TEXT, 0, VIR_MIGRATE_PARAM_DEST_NAME},
    {"disks-uri", TEXT, 0, VIR_MIGRATE_PARAM_DISKS_URI},
    {"tls-destination", TEXT, 0, VIR_MIGRATE_PARAM_TLS_DESTINATION},
    {"xml", FILE_TEXT, 0, VIR_MIGRATE_PARAM_DEST_XML},
    {"persistent-xml", FILE_TEXT, 0, VIR_MIGRATE_PARAM_PERSIST_XML},
    {"migrate-disks", LIST, 0, VIR_MIGRATE_PARAM_MIGRATE_DISKS},
    {"comp-methods", LIST, 0, VIR_MIGRATE_PARAM_COMPRESSION},
    {"disks-port", NUMBER_INT, 0, VIR_MIGRATE_PARAM_DISKS_PORT},
    {"comp-mt-level", NUMBER_INT, 0, VIR_MIGRATE_PARAM_COMPRESSION_MT_LEVEL},
    {"comp-mt-threads", NUMBER_INT, 0, VIR_MIGRATE_PARAM_COMPRESSION_MT_THREADS},
    {"comp-mt-dthreads", NUMBER_INT, 0, VIR_MIGRATE_PARAM_COMPRESSION_MT_DTHREADS},
    {"comp-xbzrle-cache", NUMBER_U64, 0, VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE},
    {"auto-converge-initial", NUMBER_INT, 0, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL},
    {"auto-converge-increment", NUMBER_INT, 0, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT},
    {"parallel-connections", NUMBER_INT, 0, VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS},
    {"bandwidth", NUMBER_U64, 0, VIR_MIGRATE_PARAM_BANDWIDTH},
    {"postcopy-bandwidth", NUMBER_U64, 0, VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY},
    {"timeout", TIMEOUT, 0, NULL},
    {"timeout-suspend", TIMEOUT_ACTION, false, NULL},
    {"timeout-postcopy", TIMEOUT_ACTION, true, NULL},
    {"verbose", IGNORED, 0, NULL}, /* the progress is shown anyway */
    {"direct", REFUSED, 0, "QEMU's driver in libvirt has no direct migration; leave it out"},
    {"postcopy-resume", REFUSED, 0,
     "a broken post-copy migration is resumed with virsh; then 'bitferry redefine' finishes"},
    {"postcopy-after-precopy", REFUSED, 0,
     "use --postcopy and 'virsh migrate-postcopy', or --timeout with --timeout-postcopy"},
};

enum { NR_KNOWN = sizeof known_options / sizeof known_options[0] };

static const struct known_option *find_option(const char *name, size_t length)
{
    for (size_t i = 0; i < NR_KNOWN; i++) {
        if (strlen(known_options[i].name) == length &&
            memcmp(known_options[i].name, name, length) == 0)
            return &known_options[i];
    }
    return NULL;
}

static bool takes_value(enum kind kind)
{
    switch (kind) {
    case TEXT:
    case NUMBER_INT:
    case NUMBER_U64:
    case FILE_TEXT:
    case LIST:
    case TIMEOUT:
        return true;
    case FLAG:
    case TIMEOUT_ACTION:
    case REFUSED:
    case IGNORED:
        break;
    }
    return false;
}

/* Values */

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the options of the migration");
}

static int add_text(struct bf_virt_migrate_options *options, const char *param, const char *value,
                    struct bf_error *err)
{
    return virTypedParamsAddString(&options->params, &options->nr_params, &options->max_params,
                                   param, value) == 0
               ? 0
               : no_memory(err);
}

static int read_number(const char *name, const char *value, unsigned long long max,
                       unsigned long long *ret_number, struct bf_error *err)
{
    char *end = NULL;

    errno = 0;
    *ret_number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || *ret_number > max)
        return bf_error_set(err, BF_E_USAGE, "migrate: --%s is a number up to %llu, not '%.100s'",
                            name, max, value);
    return 0;
}

static int add_number(struct bf_virt_migrate_options *options, const struct known_option *option,
                      const char *value, struct bf_error *err)
{
    unsigned long long number;
    int r = read_number(option->name, value, option->kind == NUMBER_INT ? INT32_MAX : INT64_MAX,
                        &number, err);

    if (r < 0)
        return r;
    if (option->kind == NUMBER_INT)
        r = virTypedParamsAddInt(&options->params, &options->nr_params, &options->max_params,
                                 option->param, (int)number);
    else
        r = virTypedParamsAddULLong(&options->params, &options->nr_params, &options->max_params,
                                    option->param, number);
    return r == 0 ? 0 : no_memory(err);
}

static int set_timeout(struct bf_virt_migrate_options *options, const struct known_option *option,
                       const char *value, struct bf_error *err)
{
    unsigned long long number;
    int r = read_number(option->name, value, INT32_MAX / 1000, &number, err);

    if (r == 0 && number == 0)
        return bf_error_set(err, BF_E_USAGE, "migrate: --timeout is at least 1 second");
    options->facts.timeout_s = (uint32_t)number;
    return r;
}

static int add_file(struct bf_virt_migrate_options *options, const struct known_option *option,
                    const char *path, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    BF_CLEANUP(bf_freep) char *text = NULL;
    size_t nr_bytes = 0;
    ssize_t got = 1;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "migrate: --%s: cannot read %s", option->name, path);
    text = malloc(BF_VIRT_DOMAIN_XML_MAX_BYTES + 1);
    if (!text)
        return no_memory(err);
    while (got > 0 && nr_bytes < BF_VIRT_DOMAIN_XML_MAX_BYTES) {
        got = read(fd, text + nr_bytes, BF_VIRT_DOMAIN_XML_MAX_BYTES - nr_bytes);
        nr_bytes += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        return bf_error_set_errno(err, errno, "migrate: --%s: cannot read %s", option->name, path);
    if (nr_bytes == BF_VIRT_DOMAIN_XML_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "migrate: --%s: %s is too large", option->name, path);
    text[nr_bytes] = '\0';
    return add_text(options, option->param, text, err);
}

static int remember_disk(struct bf_virt_migrate_options *options, const char *target,
                         struct bf_error *err)
{
    char **disks = realloc(options->disks, (options->nr_disks + 1) * sizeof *disks);

    if (!disks)
        return no_memory(err);
    options->disks = disks;
    disks[options->nr_disks] = strdup(target);
    return disks[options->nr_disks++] ? 0 : no_memory(err);
}

static int add_list(struct bf_virt_migrate_options *options, const struct known_option *option,
                    const char *value, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *copy = strdup(value);
    char *rest = NULL;
    int r = copy ? 0 : no_memory(err);

    for (char *word = copy ? strtok_r(copy, ",", &rest) : NULL; r == 0 && word;
         word = strtok_r(NULL, ",", &rest)) {
        r = add_text(options, option->param, word, err);
        if (r == 0 && strcmp(option->param, VIR_MIGRATE_PARAM_MIGRATE_DISKS) == 0)
            r = remember_disk(options, word, err);
    }
    return r;
}

static int apply(struct bf_virt_migrate_options *options, const struct known_option *option,
                 const char *value, struct bf_error *err)
{
    switch (option->kind) {
    case FLAG:
        options->flags |= option->flag;
        return 0;
    case TEXT:
        return add_text(options, option->param, value, err);
    case NUMBER_INT:
    case NUMBER_U64:
        return add_number(options, option, value, err);
    case FILE_TEXT:
        return add_file(options, option, value, err);
    case LIST:
        return add_list(options, option, value, err);
    case TIMEOUT:
        return set_timeout(options, option, value, err);
    case TIMEOUT_ACTION:
        options->facts.timeout_postcopy |= option->flag != 0;
        options->timeout_suspend |= option->flag == 0;
        return 0;
    case REFUSED:
        return bf_error_set(err, BF_E_USAGE, "migrate: --%s: %s", option->name, option->param);
    case IGNORED:
        break;
    }
    return 0;
}

/* Words */

static int take_word(struct bf_virt_migrate_options *options, const char *const *words,
                     size_t nr_words, size_t *at, struct bf_error *err)
{
    const char *word = words[(*at)++];
    size_t length = strcspn(word, "=");
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    const struct known_option *option =
        strncmp(word, "--", 2) == 0 ? find_option(word + 2, length - 2) : NULL;

    if (!option)
        return bf_error_set(err, BF_E_USAGE,
                            "migrate: '%.100s' is no option of 'virsh migrate' that bitferry knows",
                            word);
    if (!takes_value(option->kind) && value)
        return bf_error_set(err, BF_E_USAGE, "migrate: --%s takes no argument", option->name);
    if (takes_value(option->kind) && !value) {
        if (*at == nr_words)
            return bf_error_set(err, BF_E_USAGE, "migrate: --%s needs an argument", option->name);
        value = words[(*at)++];
    }
    return apply(options, option, value, err);
}

static int conflict(struct bf_error *err, const char *text)
{
    return bf_error_set(err, BF_E_USAGE, "migrate: %s", text);
}

static int judge(const struct bf_virt_migrate_options *options, struct bf_error *err)
{
    const struct bf_virt_migrate_facts *facts = &options->facts;
    unsigned long copies =
        options->flags & (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC);

    if (copies == (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC))
        return conflict(err, "--copy-storage-all and --copy-storage-inc exclude each other");
    if (facts->offline && (options->flags & VIR_MIGRATE_LIVE))
        return conflict(err, "--offline and --live exclude each other");
    if (facts->offline && copies)
        return conflict(err, "--offline copies no storage: copy the images first, or share them");
    if (facts->offline && !facts->persistent)
        return conflict(err, "--offline needs --persistent: the domain would be nowhere");
    if ((options->flags & VIR_MIGRATE_TUNNELLED) && copies)
        return conflict(err, "--tunnelled cannot copy storage, nor its bitmaps: libvirt opens no "
                             "second channel for them; use --p2p with --tls");
    if ((options->flags & VIR_MIGRATE_TUNNELLED) && !facts->peer_to_peer)
        return conflict(err, "--tunnelled needs --p2p");
    if (options->nr_disks > 0 && !copies)
        return conflict(err, "--migrate-disks needs --copy-storage-all or --copy-storage-inc");
    if (facts->timeout_postcopy && options->timeout_suspend)
        return conflict(err, "--timeout-suspend and --timeout-postcopy exclude each other");
    if (facts->timeout_postcopy && !(options->flags & VIR_MIGRATE_POSTCOPY))
        return conflict(err, "--timeout-postcopy needs --postcopy");
    if ((facts->timeout_postcopy || options->timeout_suspend) && facts->timeout_s == 0)
        return conflict(err, "--timeout-suspend and --timeout-postcopy need --timeout");
    return 0;
}

static void learn(struct bf_virt_migrate_options *options)
{
    struct bf_virt_migrate_facts *facts = &options->facts;

    facts->offline = options->flags & VIR_MIGRATE_OFFLINE;
    facts->peer_to_peer = options->flags & VIR_MIGRATE_PEER2PEER;
    facts->persistent = options->flags & VIR_MIGRATE_PERSIST_DEST;
    facts->undefine_source = options->flags & VIR_MIGRATE_UNDEFINE_SOURCE;
    facts->paused = options->flags & VIR_MIGRATE_PAUSED;
    if (options->flags & VIR_MIGRATE_NON_SHARED_DISK)
        facts->storage = BF_VIRT_STORAGE_COPIED_ALL;
    else if (options->flags & VIR_MIGRATE_NON_SHARED_INC)
        facts->storage = BF_VIRT_STORAGE_COPIED_INC;
}

int bf_virt_migrate_options_parse(const char *const *words, size_t nr_words,
                                  struct bf_virt_migrate_options **ret_options,
                                  struct bf_error *err)
{
    BF_CLEANUP(bf_virt_migrate_options_freep)
    struct bf_virt_migrate_options *options = calloc(1, sizeof *options);
    size_t at = 0;
    int r = options ? 0 : no_memory(err);

    (void)virInitialize(); /* lists of parameters are the library's */
    while (r == 0 && at < nr_words)
        r = take_word(options, words, nr_words, &at, err);
    if (r < 0)
        return r;
    learn(options);
    r = judge(options, err);
    if (r == 0)
        *ret_options = bf_steal_ptr(&options);
    return r;
}

void bf_virt_migrate_options_free(struct bf_virt_migrate_options *options)
{
    for (size_t i = 0; i < options->nr_disks; i++)
        free(options->disks[i]);
    free(options->disks);
    virTypedParamsFree(options->params, options->nr_params);
    free(options);
}

const struct bf_virt_migrate_facts *
bf_virt_migrate_options_facts(const struct bf_virt_migrate_options *options)
{
    return &options->facts;
}

bool bf_virt_migrate_options_copies(const struct bf_virt_migrate_options *options,
                                    const char *target)
{
    for (size_t i = 0; i < options->nr_disks; i++) {
        if (strcmp(options->disks[i], target) == 0)
            return true;
    }
    return options->nr_disks == 0;
}
