#include "daemon/plan.h"

#include "base/cleanup.h"
#include "catalog/checkpoints.h"
#include "plan_disks.h"
#include "plan_modes.h"
#include "plan_text.h"

#include <ctype.h>
#include <string.h>

static const char *const read_methods[BF_NR_READ_METHODS] = {
    [BF_READ_AUTO] = "auto",
    [BF_READ_SPILL] = "spill",
    [BF_READ_BLOCK_STATUS] = "block-status",
};

static const char *const snapshots[BF_NR_SNAPSHOTS] = {
    [BF_SNAPSHOTS_AUTO] = "auto",
    [BF_SNAPSHOTS_EARLY] = "early",
    [BF_SNAPSHOTS_READY] = "ready",
};

static const char *const handovers[BF_NR_HANDOVERS] = {
    [BF_HANDOVER_AUTO] = "auto",
    [BF_HANDOVER_TRACKER] = "tracker",
    [BF_HANDOVER_FREEZE] = "freeze",
    [BF_HANDOVER_NATIVE] = "native",
};

static const struct {
    const char *name;
    bool source_only;
} keys[] = {
    {"vm", false},         {"uuid", false},     {"qmp", false},      {"domain", false},
    {"connect", false},    {"disks", false},    {"modes", false},    {"peer", true},
    {"read", true},        {"handover", true},  {"no_repair", true}, {"no_hold", true},
    {"checkpoints", true}, {"snapshots", true},
};

static int read_uuid(const json_t *object, char uuid[BF_PLAN_UUID_CHARS + 1], struct bf_error *err)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    const char *text = NULL;
    int r = bf_plan_get_text(object, "uuid", BF_PLAN_UUID_CHARS, &text, err);

    for (size_t i = 0; r == 0 && i <= BF_PLAN_UUID_CHARS; i++) {
        if (shape[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != shape[i])
            r = bf_error_set(err, BF_E_INVALID, "'uuid' must look like %s", shape);
        else
            uuid[i] = (char)tolower((unsigned char)text[i]);
    }
    return r;
}

static int read_domain(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    int r = 0;

    if (json_object_get(object, "domain"))
        r = bf_plan_copy_text(object, "domain", BF_PLAN_VM_MAX_BYTES, &plan->domain, err);
    if (r == 0 && json_object_get(object, "connect"))
        r = bf_plan_copy_text(object, "connect", BF_PLAN_URI_MAX_BYTES, &plan->connect, err);
    if (r == 0 && plan->connect && !plan->domain)
        r = bf_error_set(err, BF_E_INVALID, "'connect' goes with 'domain'");
    return r;
}

static int read_checkpoints(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    const json_t *checkpoints = json_object_get(object, "checkpoints");
    int r = checkpoints ? bf_checkpoints_from_json(checkpoints, &plan->checkpoints, err) : 0;

    return r < 0 ? bf_error_prefix(err, "'checkpoints'") : 0;
}

/* The images of a machine that is shut off stand alone. */
static int check_images(const json_t *object, const struct bf_plan *plan, size_t nr_images,
                        struct bf_error *err)
{
    if (!json_object_get(object, "qmp") && !plan->domain && nr_images == plan->nr_disks &&
        plan->handover == BF_HANDOVER_AUTO && plan->nr_modes == 0)
        return 0;
    return bf_error_set(err, BF_E_INVALID,
                        "the images of a machine that is shut off stand alone: no QMP socket, no "
                        "domain, no block nodes, no modes and no hand-over go with them");
}

/* A QEMU has the disks, or nobody has. */
static int read_attachment(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    size_t nr_images = 0;

    for (size_t i = 0; i < plan->nr_disks; i++)
        nr_images += plan->disks[i].image != NULL;
    if (nr_images > 0)
        return check_images(object, plan, nr_images, err);
    if (!plan->domain)
        return bf_plan_read_path(object, "qmp", BF_PLAN_SOCKET_MAX_BYTES, &plan->qmp, err);
    return json_object_get(object, "qmp")
               ? bf_error_set(err, BF_E_INVALID, "there is a 'domain' or a 'qmp', not both")
               : 0;
}

/* What a resolver could take; whether there is such a host, it will tell. */
static int read_peer(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    int r = bf_plan_copy_text(object, "peer", BF_PLAN_PEER_MAX_BYTES, &plan->peer, err);

    for (const char *at = plan->peer; r == 0 && *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr(".-_:[]%", *at))
            r = bf_error_set(err, BF_E_INVALID,
                             "'peer' must be HOST, HOST:PORT or [ADDRESS]:PORT, not '%s'",
                             plan->peer);
    }
    return r;
}

/* One of some words, the first of them the default. */
static int read_choice(const json_t *object, const char *key, const char *const *words,
                       unsigned nr_words, unsigned *ret_choice, struct bf_error *err)
{
    const char *text = NULL;
    int r;

    *ret_choice = 0;
    if (!json_object_get(object, key))
        return 0;
    r = bf_plan_get_text(object, key, 16, &text, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < nr_words; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret_choice = i;
            return 0;
        }
    }
    return bf_error_set(err, BF_E_INVALID, "'%s' is %s, %s%s%s or %s, not '%s'", key, words[0],
                        words[1], nr_words > 3 ? ", " : "", nr_words > 3 ? words[2] : "",
                        words[nr_words - 1], text);
}

static int read_flag(const json_t *object, const char *key, bool *ret_flag, struct bf_error *err)
{
    const json_t *flag = json_object_get(object, key);

    *ret_flag = json_is_true(flag);
    return !flag || json_is_boolean(flag)
               ? 0
               : bf_error_set(err, BF_E_INVALID, "'%s' is true or false", key);
}

static int read_source_keys(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    unsigned method = 0;
    unsigned moment = 0;
    unsigned handover = 0;
    int r = read_peer(object, plan, err);

    if (r == 0)
        r = read_choice(object, "read", read_methods, BF_NR_READ_METHODS, &method, err);
    if (r == 0)
        r = read_choice(object, "snapshots", snapshots, BF_NR_SNAPSHOTS, &moment, err);
    if (r == 0)
        r = read_choice(object, "handover", handovers, BF_NR_HANDOVERS, &handover, err);
    if (r == 0)
        r = read_flag(object, "no_repair", &plan->no_repair, err);
    if (r == 0)
        r = read_flag(object, "no_hold", &plan->no_hold, err);
    plan->read = (enum bf_read_method)method;
    plan->snapshots = (enum bf_snapshots)moment;
    plan->handover = (enum bf_handover)handover;
    return r;
}

int bf_plan_read_vm(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    int r = bf_plan_copy_text(object, "vm", BF_PLAN_VM_MAX_BYTES, &plan->vm, err);

    return r < 0 ? r : read_uuid(object, plan->uuid, err);
}

static int read_plan(const json_t *object, bool with_peer, struct bf_plan *plan,
                     struct bf_error *err)
{
    int r = bf_plan_read_vm(object, plan, err);

    if (r == 0)
        r = read_domain(object, plan, err);
    if (r == 0 && with_peer)
        r = read_source_keys(object, plan, err);
    if (r == 0)
        r = bf_plan_read_disks(object, plan, err);
    if (r == 0)
        r = bf_plan_read_modes(object, plan, err);
    if (r == 0)
        r = read_attachment(object, plan, err);
    return r < 0 ? r : read_checkpoints(object, plan, err);
}

int bf_plan_from_json(const json_t *object, bool with_peer, struct bf_plan *ret_plan,
                      struct bf_error *err)
{
    int r;

    *ret_plan = (struct bf_plan){.read = BF_READ_AUTO};
    r = read_plan(object, with_peer, ret_plan, err);
    if (r < 0)
        bf_plan_release(ret_plan);
    return r;
}

void bf_plan_release(struct bf_plan *plan)
{
    for (size_t i = 0; i < plan->nr_disks; i++) {
        free(plan->disks[i].name);
        free(plan->disks[i].node);
        free(plan->disks[i].image);
    }
    free(plan->disks);
    for (size_t i = 0; i < plan->nr_modes; i++)
        free(plan->modes[i].disk);
    free(plan->modes);
    free(plan->vm);
    free(plan->qmp);
    free(plan->domain);
    free(plan->connect);
    bf_checkpoints_release(&plan->checkpoints);
    free(plan->peer);
    *plan = (struct bf_plan){.read = BF_READ_AUTO};
}

bool bf_plan_is_shut_off(const struct bf_plan *plan)
{
    return plan->nr_disks > 0 && plan->disks[0].image;
}

bool bf_plan_has_key(const char *key, bool with_peer)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].name, key) == 0)
            return with_peer || !keys[i].source_only;
    }
    return false;
}

static bool put_text(json_t *object, const char *key, const char *text)
{
    return !text || json_object_set_new(object, key, json_string(text)) == 0;
}

static bool choices_to_json(const struct bf_plan *plan, json_t *object)
{
    return json_object_set_new(object, "peer", json_string(plan->peer)) == 0 &&
           json_object_set_new(object, "read", json_string(read_methods[plan->read])) == 0 &&
           json_object_set_new(object, "snapshots", json_string(snapshots[plan->snapshots])) == 0 &&
           json_object_set_new(object, "handover", json_string(handovers[plan->handover])) == 0 &&
           (!plan->no_repair || json_object_set_new(object, "no_repair", json_true()) == 0) &&
           (!plan->no_hold || json_object_set_new(object, "no_hold", json_true()) == 0) &&
           (plan->checkpoints.nr_items == 0 ||
            json_object_set_new(object, "checkpoints",
                                bf_checkpoints_to_json(&plan->checkpoints)) == 0);
}

bool bf_plan_to_json(const struct bf_plan *plan, json_t *object)
{
    return json_object_set_new(object, "vm", json_string(plan->vm)) == 0 &&
           json_object_set_new(object, "uuid", json_string(plan->uuid)) == 0 &&
           put_text(object, "qmp", plan->qmp) && put_text(object, "domain", plan->domain) &&
           put_text(object, "connect", plan->connect) &&
           (!plan->peer || choices_to_json(plan, object)) &&
           (plan->nr_modes == 0 ||
            json_object_set_new(object, "modes", bf_plan_modes_to_json(plan)) == 0) &&
           json_object_set_new(object, "disks", bf_plan_disks_to_json(plan)) == 0;
}

bool bf_plan_equal(const struct bf_plan *a, const struct bf_plan *b)
{
    BF_CLEANUP(json_decrefp) json_t *left = json_object();
    BF_CLEANUP(json_decrefp) json_t *right = json_object();

    return left && right && bf_plan_to_json(a, left) && bf_plan_to_json(b, right) &&
           json_equal(left, right);
}

const char *bf_read_method_name(enum bf_read_method method)
{
    return read_methods[method];
}
