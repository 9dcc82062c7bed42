/** Which of the two daemons this is. */
#ifndef DAEMON_ROLE_H
#define DAEMON_ROLE_H

enum bf_role {
    BF_ROLE_SOURCE,
    BF_ROLE_DEST,
    BF_NR_ROLES,
};

/** Where the daemons are found when nothing else is configured. */
#define BF_SOURCE_RUN_DIR "/run/bitferry/source"
#define BF_DEST_RUN_DIR   "/run/bitferry/dest"
#define BF_CONTROL_NAME   "control.sock"
#define BF_SOURCE_SOCKET  BF_SOURCE_RUN_DIR "/" BF_CONTROL_NAME
#define BF_DEST_SOCKET    BF_DEST_RUN_DIR "/" BF_CONTROL_NAME

/** "source", "dest". */
static inline const char *bf_role_name(enum bf_role role)
{
    return role == BF_ROLE_SOURCE ? "source" : "dest";
}

#endif
