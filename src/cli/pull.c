/* `bitferry pull`: bitmaps from a bitferry server into an image. */
#include "carry.h"
#include "nbd/endpoint.h"
#include "options.h"

enum { OPT_TLS = BF_NR_CARRY_OPTIONS, OPT_DEADLINE, NR_OPTIONS };

static const struct bf_option options[NR_OPTIONS] = {
    BF_CARRY_OPTIONS,
    [OPT_TLS] = BF_OPTION_TLS,
    [OPT_DEADLINE] = BF_OPTION_DEADLINE,
};

static int open_server(void *ctx, const struct bf_catalog_disk *disk, struct bf_target **ret_target,
                       const char **ret_disk, struct bf_error *err)
{
    (void)err;
    *ret_target = ctx;
    *ret_disk = disk->name;
    return 0;
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(bf_target_freep) struct bf_target *server = NULL;
    struct bf_carry_source source = {.open = open_server};
    struct bf_target_options target_options = {
        .args = args,
        .tls_certificates = bf_option_value(args, OPT_TLS),
    };
    int ret = bf_option_deadline(args, OPT_DEADLINE, &target_options.deadline_ms, err);

    if (ret == 0 && !bf_nbd_is_uri(args->operands[0]))
        ret = bf_error_set(
            err, BF_E_USAGE,
            "pull takes the NBD URI of a bitferry server, not '%.255s'; for an archive "
            "there is 'bitferry restore'",
            args->operands[0]);
    if (ret == 0)
        ret = bf_target_open(args->operands[0], &target_options, &server, err);
    if (ret < 0)
        return ret;
    source.catalog = bf_target_catalog(server);
    source.ctx = server;
    return bf_carry(args, &source, err);
}

const struct bf_command bf_pull_command = {
    .name = "pull",
    .summary = "Install the bitmaps of a server in an image",
    .operands = "URI",
    .operand_kind = BF_ARGUMENT_TEXT,
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .nr_options = NR_OPTIONS,
    .description =
        "Fetches the bitmaps of one disk from the bitferry server at _URI_ (see *serve*) and "
        "installs "
        "them in _IMAGE_, which is a copy of that disk's data and not in use.  _URI_ names the "
        "server, "
        "or one of its exports for just that bitmap or disk.\n"
        "\n"
        "Every bitmap is checked against the count and the SHA-256 that the server announced, then "
        "QEMU itself puts all of them into _IMAGE_, or none, and its own digests are compared "
        "before "
        "and after the image was closed.  A bitmap that was recording is recording again, a frozen "
        "one is frozen.\n"
        "\n"
        "Inconsistent bitmaps are dropped: listed with the reason, the consequence and the remedy, "
        "and told by the exit code (3: some, 4: none is left).  In an image that is larger than "
        "the "
        "disk, all that lies past the disk's end counts as dirty; a smaller image is refused.",
    .examples = "bitferry pull nbd://source.example/ --into vda.qcow2\n"
                "all bitmaps of the disk vda\n"
                "bitferry pull nbds://source.example/ --tls-certificates /etc/pki/qemu --into "
                "copy.qcow2 --disk vda --bitmap monday --as monday-copy\n"
                "one bitmap, under another name\n",
    .run = run,
};
