#include "arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { OPT_CONFIG = 'c', OPT_HELP = 'h', OPT_VERSION = 'V', OPT_CHECK = 256, OPT_KEYS };

static const struct option options[] = {
    {"config", required_argument, NULL, OPT_CONFIG}, {"check-config", no_argument, NULL, OPT_CHECK},
    {"list-keys", no_argument, NULL, OPT_KEYS},      {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},     {NULL, 0, NULL, 0},
};

static void print_help(const struct bf_program *program)
{
    (void)printf(
        "Usage: bitferry-%s [OPTION]...\n%s.\n\n"
        "  -c, --config FILE   the configuration (" BF_CONFIG_PATH ", if it is there)\n"
        "      --check-config  print the configuration that is in effect, and exit\n"
        "      --list-keys     print all keys, their defaults and what is allowed, and exit\n"
        "  -h, --help          show this\n"
        "  -V, --version       show the version\n",
        bf_role_name(program->role), program->summary);
}

/* The file that is always looked for may be missing; one that was named may not. */
static int read_config(const struct bf_program *program, const char *path,
                       struct bf_config *ret_config, struct bf_error *err)
{
    if (path)
        return bf_config_read(path, program->role, ret_config, err);
    if (access(BF_CONFIG_PATH, F_OK) == 0)
        return bf_config_read(BF_CONFIG_PATH, program->role, ret_config, err);
    bf_config_init(ret_config, program->role);
    return 0;
}

static int finish_output(struct bf_error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 1;
    return bf_error_set(err, BF_E_IO, "cannot write to the standard output");
}

int bf_daemon_arguments(const struct bf_program *program, int argc, char **argv,
                        struct bf_config *ret_config, struct bf_error *err)
{
    const char *path = NULL;
    bool check = false;
    int option;
    int r;

    while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (option) {
        case OPT_CONFIG:
            path = optarg;
            break;
        case OPT_CHECK:
            check = true;
            break;
        case OPT_KEYS:
            bf_config_print_keys(program->role, stdout);
            return finish_output(err);
        case OPT_HELP:
            print_help(program);
            return finish_output(err);
        case OPT_VERSION:
            (void)printf("bitferry-%s " BF_VERSION "\n", bf_role_name(program->role));
            return finish_output(err);
        default:
            return bf_error_set(err, BF_E_USAGE, "see 'bitferry-%s --help'",
                                bf_role_name(program->role));
        }
    }
    if (optind < argc)
        return bf_error_set(err, BF_E_USAGE, "'%s' is too much; see 'bitferry-%s --help'",
                            argv[optind], bf_role_name(program->role));
    r = read_config(program, path, ret_config, err);
    if (r < 0 || !check)
        return r;
    bf_config_print(ret_config, stdout);
    return finish_output(err);
}
