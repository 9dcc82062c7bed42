/** Which VM is meant: by name and UUID, with a QMP socket or images, or as a libvirt domain. */
#ifndef CLI_VM_CHOICE_H
#define CLI_VM_CHOICE_H

#include "command.h"

struct bf_vm_options {
    size_t vm, uuid, qmp, disk, domain, connect, image; /* where they are in the command's table */
};

struct bf_vm_choice {
    char *vm;
    char *uuid;
    char *qmp;    /* absolute; or NULL */
    char *domain; /* its UUID; or NULL.  Neither: there are images */
    const char *connect;
};

/** Of a domain name and UUID are libvirt's, where it knows the domain and they are not given.
 *  Errors: USAGE for what is missing, contradicts, or is no UUID; of libvirt, unless the UUID is
 *  given. */
int bf_vm_choose(const struct bf_arguments *args, const struct bf_vm_options *options,
                 struct bf_vm_choice *ret_choice, struct bf_error *err);
void bf_vm_choice_release(struct bf_vm_choice *choice);

/** For a daemon, which has another working folder; the caller frees.  NULL: no memory, or no such
 *  folder. */
char *bf_vm_absolute(const char *path);

/** Ask libvirt for both; those that are there already stay.  Errors: NOT_FOUND, PEER, ...;
 *  UNSUPPORTED without libvirt. */
int bf_vm_ask_libvirt(const char *connect, const char *domain, struct bf_vm_choice *choice,
                      struct bf_error *err);

#endif
