/* SPDX-License-Identifier: ISC
 *
 * sandbox - what a worker, the housekeeper and the storekeeper may still ask of the kernel once they are set up, though
 * somebody else's code ran in them: a list of system calls (seccomp), and no file (Landlock).
 *
 * The master makes it once, before the first fork: sandbox_new. A child enters it at the end of its setting up, for
 * good. A call that is not on the list (sandbox_rules.c) is not made: event=sandbox names it, and the process dies of
 * SIGSYS, which the master takes for the crash that it is. Where a library may try a call and can live without it, the
 * call fails, and nothing is said.
 *
 * A listener is shared by all who hold a copy, so no call that would change it for the others may be made on it. The
 * list knows it by its number: a worker moves its listeners to SANDBOX_LISTENERS_FROM and above, and nothing that could
 * give one another number is allowed. A worker's other descriptors are fewer than that; one too many is refused as a
 * listener would be. Stderr is shared as well: where it is a socket (under a service manager), whoever shuts it down
 * ends the log of all.
 *
 * A worker opens SANDBOX_FILES_MAX at most, all told. What the master may is far more, and would do to hold every
 * client of the house, or to use up what the kernel lets a user watch by epoll.
 *
 * The storekeeper has no network, and the file of the memory, which it opened before. Each of its threads enters.
 *
 * What a machine or a build lacks is no failure: it is asked for, for the log.
 */
#ifndef POSTERN_COMMON_SANDBOX_H
#define POSTERN_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

enum { SANDBOX_LISTENERS_FROM = 48, SANDBOX_FILES_MAX = 65, SANDBOX_CALL_NAME_MAX = 32 };

enum sandbox_mode {
    SANDBOX_OFF,
    SANDBOX_LOG, /* nothing is refused; the kernel's log has what would be */
    SANDBOX_ON,
    SANDBOX_MODES
};

enum sandbox_role { SANDBOX_WORKER, SANDBOX_HOUSEKEEPER, SANDBOX_STOREKEEPER, SANDBOX_ROLES };

struct sandbox; /* the same memory for the master and its children, who only read it */

/* NULL: no memory. */
struct sandbox *sandbox_new(void);
void sandbox_free(struct sandbox **sandbox);

const char *sandbox_missing(const struct sandbox *sandbox); /* why no list can be loaded here; NULL: one can */
/* What children of this mode are in: "on", "log", "off"; off, too, where something is missing. And the ABI of the
 * kernel's Landlock, 0 where it has none or files are left alone. */
const char *sandbox_in_force(const struct sandbox *sandbox, enum sandbox_mode mode);
int sandbox_landlock(const struct sandbox *sandbox, enum sandbox_mode mode);

/* In a worker, before it enters, first for each descriptor that is none, then for each listener: their numbers become
 * such as the list expects. False with errno. */
bool sandbox_make_way(int *fd);
bool sandbox_set_listener_apart(int *fd);

/* In the child, which has NO_NEW_PRIVS and no way back. `session` (may be NULL) is where the id of the session stands
 * that is served when something is refused, `session_max` octets at most. True, too, when there is nothing to enter:
 * no sandbox (NULL), SANDBOX_OFF, or what is missing. False with errno: do not go on. */
bool sandbox_enter(const struct sandbox *sandbox, enum sandbox_mode mode, enum sandbox_role role, const char *session,
                   size_t session_max);

#endif
