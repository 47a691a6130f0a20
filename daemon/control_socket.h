/* SPDX-License-Identifier: ISC
 *
 * control_socket - where the control socket lies: made so that it is never open to others for a moment, put in place in
 * one step, found again before it is taken away.
 *
 * It is made beside its place under a name of this process, with its mode by the umask, given its group, and renamed
 * into place; in no directory where others may write (rundir.h). A socket that nobody listens at is replaced; where a
 * living master answers that is an error.
 */
#ifndef POSTERN_DAEMON_CONTROL_SOCKET_H
#define POSTERN_DAEMON_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/legacy.h"

struct control_socket {
    int fd; /* listens, non-blocking; -1: none */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat is; /* the file that is ours */
};

/* False with why, and nothing is left behind. */
bool control_socket_open(struct control_socket *socket, const char *path, const char *group, char *why,
                         size_t why_size);
/* Out of the way of another master, but still there: under CONTROL_DRAINING added to its name. */
void control_socket_move_aside(struct control_socket *socket);
/* To the program that takes the place of this one. */
void control_socket_write(const struct control_socket *socket, struct legacy *to);
bool control_socket_read(struct control_socket *socket, struct legacy *from); /* false: there was none */
/* Also removes it, where it is still ours. */
void control_socket_close(struct control_socket *socket);

#endif
