/* SPDX-License-Identifier: ISC
 *
 * privilege - who the master is and who its workers become.
 *
 * Started as root, the master keeps uid 0 with five capabilities (SETUID, SETGID, NET_BIND_SERVICE, KILL,
 * DAC_READ_SEARCH) and workers become the configured user, for ever. Started as anybody else, everything stays that
 * user, and the master keeps those of the five that it was given. Workers have none, and cannot fork. Each reduction is
 * checked by looking at what is left and by trying to get back.
 */
#ifndef POSTERN_DAEMON_PRIVILEGE_H
#define POSTERN_DAEMON_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PRIVILEGE_GROUPS_MAX = 32 };

/* Who workers are. */
struct identity {
    bool change; /* false: started unprivileged, nothing is changed */
    uid_t uid;
    gid_t gid;
    gid_t groups[PRIVILEGE_GROUPS_MAX]; /* with gid */
    int group_count;
};

/* Asks the user data base: before anything is reduced, never in a worker. `group` NULL: the user's own and those that
 * he is a member of; else that one alone. False with the reason in `why`; also when `user` is root. */
bool privilege_look_up(const char *user, const char *group, struct identity *out, char *why, size_t why_size);

/* Who workers of this master will be: the one who is looked up, or ourselves when not started as root. False also when
 * root may not become anybody else. */
bool privilege_resolve(const char *user, const char *group, struct identity *out, char *why, size_t why_size);

/* The master: all but the five are gone, also for what it may execute. False with errno. */
bool privilege_reduce(void);

/* What there is outlives the next exec. Only uid 0 keeps it there by itself. False with errno. */
bool privilege_hand_on(void);

/* A child that reads the configuration and root's files for it: of the five, DAC_READ_SEARCH alone. False with errno.
 */
bool privilege_keep_reading(void);
/* A core that is made all the same (by a debugger, by a limit that somebody raised) holds no memory: of this process
 * and of all that it forks. */
void privilege_empty_cores(void);

/* The child, for good: user, groups, capabilities; no cores, no forks, not dumpable, nothing gained by exec. False with
 * errno. */
bool privilege_drop(const struct identity *identity);
/* The same, but it may still make threads, and has to see to it itself that it makes no more (RLIMIT_NPROC). */
bool privilege_drop_but_threads(const struct identity *identity);

#endif
