/* A bitferry that was built without libvirt. */
#include "migrate.h"
#include "subject_build.h"
#include "vm_choice.h"

static int refuse(const struct bf_arguments *args, struct bf_error *err)
{
    return bf_error_set(err, BF_E_UNSUPPORTED,
                        "%s: this bitferry was built without libvirt; build it with libvirt, "
                        "libvirt-qemu and libxml2, and BF_LIBVIRT on",
                        args->command->name);
}

int bf_migrate_run(const struct bf_arguments *args, struct bf_error *err)
{
    return refuse(args, err);
}

int bf_redefine_run(const struct bf_arguments *args, struct bf_error *err)
{
    return refuse(args, err);
}

int bf_vm_ask_libvirt(const char *connect, const char *domain, struct bf_vm_choice *choice,
                      struct bf_error *err)
{
    (void)connect;
    (void)choice;
    return bf_error_set(err, BF_E_UNSUPPORTED,
                        "this bitferry was built without libvirt, which knows domain '%s'", domain);
}

int bf_subject_domain(const struct bf_subject_request *request, struct bf_subject *subject,
                      struct bf_error *err)
{
    (void)subject;
    return refuse(request->args, err);
}
