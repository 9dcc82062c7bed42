/** `bitferry serve`: the bitmaps of images over NBD, by nbdkit and our plugin. */
#include "commands.h"
#include "interrupt.h"
#include "nbdkit_child.h"
#include "options.h"
#include "output.h"
#include "serve_command.h"
#include "serve_parameters.h"
#include "since.h"
#include "target.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_SOCKET,
    OPT_LISTEN,
    OPT_PORT,
    OPT_TLS,
    OPT_ALLOW_PLAIN,
    OPT_NAME,
    OPT_BITMAP,
    OPT_SINCE,
    OPT_CHECKPOINTS,
    OPT_RUN,
    OPT_NBDKIT,
    NR_OPTIONS,
};

static const struct bf_option options[NR_OPTIONS] = {
    [OPT_SOCKET] = {.name = "socket",
                    .letter = 's',
                    .placeholder = "PATH",
                    .kind = BF_ARGUMENT_FILE,
                    .help = "listen on this Unix socket (else: one in a private folder)"},
    [OPT_LISTEN] = {.name = "listen",
                    .letter = 'l',
                    .placeholder = "ADDRESS",
                    .kind = BF_ARGUMENT_TEXT,
                    .help = "listen on TCP, on this address or host name only (_localhost_)"},
    [OPT_PORT] = {.name = "port",
                  .letter = 'p',
                  .placeholder = "PORT",
                  .kind = BF_ARGUMENT_TEXT,
                  .help = "listen on TCP, on this port (10809); 0 for any that is free"},
    [OPT_TLS] =
        {.name = "tls-certificates",
         .placeholder = "DIR",
         .kind = BF_ARGUMENT_FOLDER,
         .help = "listen on TCP, and take only clients with TLS and a certificate of the "
                 "_ca-cert.pem_ in this folder; _server-cert.pem_ and _server-key.pem_ are ours"},
    [OPT_ALLOW_PLAIN] = {.name = "allow-plain",
                         .help = "without TLS, listen on more than the loopback addresses"},
    [OPT_NAME] = {.name = "name",
                  .placeholder = "DISK",
                  .kind = BF_ARGUMENT_TEXT,
                  .repeatable = true,
                  .help = "the name of the disk; one for each IMAGE, in their order (their file "
                          "names without _.qcow2_)"},
    [OPT_BITMAP] = {.name = "bitmap",
                    .letter = 'b',
                    .placeholder = "NAME",
                    .kind = BF_ARGUMENT_TEXT,
                    .repeatable = true,
                    .help = "serve only this bitmap"},
    [OPT_SINCE] = {.name = "since",
                   .placeholder = "CHECKPOINT",
                   .kind = BF_ARGUMENT_TEXT,
                   .help = "serve one bitmap a disk, named so: all that changed since then, out of "
                           "as many bitmaps as that takes"},
    [OPT_CHECKPOINTS] = {.name = "checkpoints",
                         .placeholder = "FILE",
                         .kind = BF_ARGUMENT_FILE,
                         .help = "with *--since*: which checkpoints there are, in JSON (the manual "
                                 "says how under *doctor*); without it, what the archive knows, or "
                                 "each name of a bitmap is one that is enough by itself"},
    [OPT_RUN] = {.name = "run",
                 .placeholder = "COMMAND",
                 .kind = BF_ARGUMENT_COMMAND,
                 .help = "run this shell command with _$uri_ set, serve as long as it runs, and "
                         "exit with its status"},
    [OPT_NBDKIT] = {.name = "nbdkit",
                    .placeholder = "PATH",
                    .kind = BF_ARGUMENT_FILE,
                    .help = "the nbdkit to run"},
};

static const char description[] =
    "Serves every bitmap of the images (or of the carriers in a folder) as two NBD exports: "
    "_DISK/BITMAP_, the packed bits, and _DISK/BITMAP.qcow2_, an image for *qemu-img bitmap "
    "--merge*. A third, _DISK_, holds the packed bits of all of its bitmaps; *pull* reads "
    "them through one connection there. The default export is an index that *inspect*, *pull* and "
    "*verify* read. Nothing can be written.\n\n"
    "With *--since* each disk has the one export that a backup tool needs, _DISK/CHECKPOINT_ (and "
    "_.qcow2_): the union of all links from the checkpoint on, and of all images of a chain. A "
    "disk "
    "for which a part is missing is left out and said so by name: its next backup is a full "
    "one.\n\n"
    "The URI is printed when the server is ready, which runs until it gets SIGINT or SIGTERM. "
    "Without options it listens on a Unix socket that only the same user can open. On TCP "
    "without TLS it listens on loopback addresses only, unless *--allow-plain* is given: bitmaps "
    "tell where a guest has written.\n\n"
    "The command of *--run* finds in its environment, as with *nbdkit --run*: _uri_, _nbd_ (the "
    "same), _unixsocket_, _port_, _exportname_ (empty), and _tls_ (2) with TLS.\n\n"
    "The images that an image stands on are served with it, as the disks _NAME[1]_ and so on.\n\n"
    "The images stay open and locked: QEMU cannot open them for writing meanwhile.\n\n"
    "With *--json*: {\"schema\": 1, \"uri\", \"socket\" or \"port\"}, once the server is ready; "
    "with *--run* nothing but what the command prints.";

static const char examples[] =
    "bitferry serve vda.qcow2 --run 'nbdinfo --list \"$uri\"'\n"
    "What can be had from this image over NBD?\n"
    "bitferry serve vda.qcow2 vdb.qcow2 --listen host.example --tls-certificates "
    "/etc/pki/bitferry\n"
    "Serve the bitmaps of two disks to clients that can show a certificate.\n"
    "bitferry serve /backup/monday --since week40 --run 'qemu-img bitmap --add --merge week40 -b "
    "\"nbd+unix:///vda/week40.qcow2?socket=$unixsocket\" -F qcow2 vda.qcow2 since-week40'\n"
    "What changed since a checkpoint, out of an archive and into an image.\n";

/* Open each operand once, so that what is wrong with it is said by us and with the right exit code.
 */
static int check_operands(const struct bf_arguments *args, struct bf_error *err)
{
    const struct bf_target_options target_options = {.args = args};
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < args->nr_operands; i++) {
        BF_CLEANUP(bf_target_freep) struct bf_target *target = NULL;

        ret = bf_target_open(args->operands[i], &target_options, &target, err);
        if (ret == 0 && bf_target_kind(target) == BF_TARGET_SERVER)
            ret = bf_error_set(err, BF_E_USAGE, "serve: '%.300s' is served already",
                               args->operands[i]);
        if (ret == 0 && bf_target_kind(target) == BF_TARGET_FOLDER &&
            bf_option_given(args, OPT_NAME))
            ret = bf_error_set(err, BF_E_USAGE,
                               "serve: --name is for images, and '%.300s' is a folder",
                               args->operands[i]);
    }
    if (ret == 0 && bf_option_given(args, OPT_NAME) &&
        args->options[OPT_NAME].nr_values != args->nr_operands)
        ret = bf_error_set(err, BF_E_USAGE, "serve: give --name once for each of the %zu images",
                           args->nr_operands);
    return ret;
}

static int open_listener(const struct bf_arguments *args, struct bf_listener **ret_listener,
                         struct bf_error *err)
{
    enum { NBD_PORT = 10809 };
    bool tls = bf_option_given(args, OPT_TLS);
    bool tcp = tls || bf_option_given(args, OPT_LISTEN) || bf_option_given(args, OPT_PORT);
    uint64_t port = NBD_PORT;
    const char *host = bf_option_value(args, OPT_LISTEN);
    struct bf_tcp_request request = {
        .host = host ? host : "localhost",
        .tls = tls,
        .allow_plain = bf_option_given(args, OPT_ALLOW_PLAIN),
    };
    int ret = bf_option_number(args, OPT_PORT, 0, UINT16_MAX, &port, err);

    if (ret < 0)
        return ret;
    request.port = (uint16_t)port;
    if (!tcp)
        return bf_listener_open_unix(bf_option_value(args, OPT_SOCKET), ret_listener, err);
    if (bf_option_given(args, OPT_SOCKET))
        return bf_error_set(err, BF_E_USAGE,
                            "serve: --socket does not go with --listen, --port or "
                            "--tls-certificates, which are for TCP");
    return bf_listener_open_tcp(&request, ret_listener, err);
}

static int announce(const struct bf_arguments *args, const struct bf_listener *listener,
                    struct bf_error *err)
{
    if (!args->json) {
        (void)puts(listener->uri);
        return bf_output_finish(err);
    }
    if (listener->socket_path)
        return bf_print_json(json_pack("{s:i, s:s, s:o}", "schema", 1, "uri", listener->uri,
                                       "socket", bf_text_to_json(listener->socket_path)),
                             err);
    return bf_print_json(json_pack("{s:i, s:s, s:i}", "schema", 1, "uri", listener->uri, "port",
                                   (int)listener->port),
                         err);
}

/* Until a signal comes, or the command or nbdkit ends.  @command_fd -1: no command. */
static int attend(const struct bf_nbdkit *nbdkit, int command_fd, struct bf_error *err)
{
    struct pollfd fds[] = {
        {.fd = bf_interrupt_fd(), .events = POLLIN},
        {.fd = command_fd, .events = POLLIN},
        {.fd = nbdkit->pid_fd, .events = POLLIN},
        {.fd = nbdkit->messages, .events = POLLIN},
    };

    for (;;) {
        int nr = poll(fds, sizeof fds / sizeof fds[0], -1);

        if (nr < 0 && errno != EINTR)
            return bf_error_set_errno(err, errno, "cannot wait for nbdkit");
        if (bf_interrupted() || (nr > 0 && fds[1].revents))
            return 0;
        if (nr > 0 && fds[3].revents)
            bf_nbdkit_forward(nbdkit);
        if (nr > 0 && (fds[3].revents & (POLLHUP | POLLIN)) == POLLHUP)
            fds[3].fd = -1;
        if (nr > 0 && fds[2].revents)
            return bf_error_set(err, BF_E_CHILD_FAILED, "nbdkit ended by itself");
    }
}

static int serve(const struct bf_arguments *args, const struct bf_listener *listener,
                 const struct bf_nbdkit *nbdkit, struct bf_error *err)
{
    const char *command = bf_option_value(args, OPT_RUN);
    struct bf_serve_command running;
    int ret;

    if (!command) {
        ret = announce(args, listener, err);
        return ret < 0 ? ret : attend(nbdkit, -1, err);
    }
    ret = bf_serve_command_start(command, listener, bf_option_given(args, OPT_TLS), &running, err);
    if (ret < 0)
        return ret;
    ret = attend(nbdkit, running.pid_fd, err);
    if (ret < 0)
        (void)bf_serve_command_end(&running, SIGTERM);
    else
        ret = bf_serve_command_end(&running, bf_interrupt_signal());
    return ret;
}

static int prepare(const struct bf_arguments *args, struct bf_since **ret_since,
                   struct bf_error *err)
{
    struct bf_since_request request = {
        .args = args,
        .checkpoint = bf_option_value(args, OPT_SINCE),
        .checkpoints = bf_option_value(args, OPT_CHECKPOINTS),
    };

    if (!request.checkpoint && request.checkpoints)
        return bf_error_set(err, BF_E_USAGE, "serve: --checkpoints goes with --since");
    if (!request.checkpoint)
        return check_operands(args, err);
    if (bf_option_given(args, OPT_NAME) || bf_option_given(args, OPT_BITMAP))
        return bf_error_set(err, BF_E_USAGE,
                            "serve: --since chooses the bitmaps; name a disk as NAME=IMAGE");
    return bf_since_open(&request, ret_since, err);
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(bf_listener_closep) struct bf_listener *listener = NULL;
    BF_CLEANUP(bf_serve_parameters_release) struct bf_serve_parameters parameters = {0};
    struct bf_nbdkit nbdkit;
    struct bf_nbdkit_request request = {
        .nbdkit = bf_option_value(args, OPT_NBDKIT),
        .tls_certificates = bf_option_value(args, OPT_TLS),
    };
    BF_CLEANUP(bf_since_freep) struct bf_since *since = NULL;
    int ret = prepare(args, &since, err);

    if (ret == 0)
        ret = since ? bf_serve_parameters_of_folder(bf_since_folder(since), &parameters, err)
                    : bf_serve_parameters_of_operands(args, &args->options[OPT_NAME],
                                                      &args->options[OPT_BITMAP], &parameters, err);
    if (ret == 0)
        ret = open_listener(args, &listener, err);
    if (ret < 0)
        return ret;
    request.listener = listener;
    request.parameters = (const char *const *)parameters.texts;
    request.nr_parameters = parameters.nr_texts;
    ret = bf_nbdkit_start(&request, &nbdkit, err);
    if (ret < 0)
        return ret;
    ret = serve(args, listener, &nbdkit, err);
    bf_nbdkit_stop(&nbdkit);
    return ret;
}

const struct bf_command bf_serve_command = {
    .name = "serve",
    .summary = "Serve the bitmaps of images over NBD",
    .operands = "IMAGE...",
    .operand_kind = BF_ARGUMENT_FILE,
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .options = options,
    .nr_options = NR_OPTIONS,
    .description = description,
    .examples = examples,
    .run = run,
};
