#include "vm_choice.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bf_vm_choice_release(struct bf_vm_choice *choice)
{
    free(choice->vm);
    free(choice->uuid);
    free(choice->qmp);
    free(choice->domain);
}

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

static bool is_uuid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i = 0;

    while (shape[i] != '\0' &&
           (shape[i] == '-' ? text[i] == '-' : isxdigit((unsigned char)text[i])))
        i++;
    return shape[i] == '\0' && text[i] == '\0';
}

static int copy_value(const struct bf_arguments *args, size_t option, char **ret_copy,
                      struct bf_error *err)
{
    const char *value = bf_option_value(args, option);

    *ret_copy = value ? strdup(value) : NULL;
    return value && !*ret_copy ? no_memory(err) : 0;
}

/* --- by a QMP socket, or by images --- */

char *bf_vm_absolute(const char *path)
{
    BF_CLEANUP(bf_freep) char *folder = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *whole = NULL;

    if (path[0] == '/')
        return strdup(path);
    if (!folder || asprintf(&whole, "%s/%s", folder, path) < 0)
        return NULL;
    return whole;
}

static int check_attachment(const struct bf_arguments *args, const struct bf_vm_options *options,
                            struct bf_error *err)
{
    bool shut_off = bf_option_given(args, options->image);

    if (shut_off == bf_option_given(args, options->qmp) ||
        (shut_off && bf_option_given(args, options->disk)))
        return bf_error_set(err, BF_E_USAGE,
                            "%s: give --qmp (and --disk) or --domain for a machine that runs, or "
                            "--image for one that is shut off",
                            args->command->name);
    return 0;
}

static int choose_plain(const struct bf_arguments *args, const struct bf_vm_options *options,
                        struct bf_vm_choice *choice, struct bf_error *err)
{
    const size_t needed[] = {options->vm, options->uuid};
    int r = check_attachment(args, options, err);

    for (size_t i = 0; r == 0 && i < sizeof needed / sizeof needed[0]; i++) {
        const struct bf_option *option = &args->command->options[needed[i]];

        if (!bf_option_given(args, needed[i]))
            r = bf_error_set(err, BF_E_USAGE, "%s: --%s %s is required", args->command->name,
                             option->name, option->placeholder);
    }
    if (r == 0 && bf_option_given(args, options->connect))
        r = bf_error_set(err, BF_E_USAGE, "%s: --connect goes with --domain", args->command->name);
    if (r == 0 && bf_option_given(args, options->qmp)) {
        choice->qmp = bf_vm_absolute(bf_option_value(args, options->qmp));
        if (!choice->qmp)
            r = bf_error_set_errno(err, errno, "cannot tell the working folder");
    }
    return r;
}

/* --- by a domain --- */

static int choose_domain(const struct bf_arguments *args, const struct bf_vm_options *options,
                         struct bf_vm_choice *choice, struct bf_error *err)
{
    const char *domain = bf_option_value(args, options->domain);
    int r = 0;

    choice->connect = bf_option_value(args, options->connect);
    if (bf_option_given(args, options->qmp) || bf_option_given(args, options->image))
        return bf_error_set(err, BF_E_USAGE, "%s: --domain, --qmp or --image, not two of them",
                            args->command->name);
    if (!choice->uuid && is_uuid(domain) && !(choice->uuid = strdup(domain)))
        return no_memory(err);
    if (!choice->uuid) {
        r = bf_vm_ask_libvirt(choice->connect, domain, choice, err);
        if (r < 0 && err && err->code == BF_E_NOT_FOUND)
            return bf_error_prefix(err, "a domain that is not here yet needs its --uuid");
    }
    if (r == 0 && !choice->vm && !(choice->vm = strdup(domain)))
        return no_memory(err);
    if (r == 0 && !(choice->domain = strdup(choice->uuid)))
        return no_memory(err);
    return r;
}

int bf_vm_choose(const struct bf_arguments *args, const struct bf_vm_options *options,
                 struct bf_vm_choice *ret_choice, struct bf_error *err)
{
    struct bf_vm_choice choice = {.vm = NULL};
    int r = copy_value(args, options->vm, &choice.vm, err);

    if (r == 0)
        r = copy_value(args, options->uuid, &choice.uuid, err);
    if (r == 0)
        r = bf_option_given(args, options->domain) ? choose_domain(args, options, &choice, err)
                                                   : choose_plain(args, options, &choice, err);
    if (r == 0 && !is_uuid(choice.uuid))
        r = bf_error_set(err, BF_E_USAGE,
                         "%s: '--uuid' takes xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, not '%.100s'",
                         args->command->name, choice.uuid);
    if (r < 0)
        bf_vm_choice_release(&choice);
    else
        *ret_choice = choice;
    return r;
}
