/* SPDX-License-Identifier: ISC
 *
 * sides - both sides of the session: the outside's one connection, and inside servers that accept theirs.
 */
#ifndef POSTERN_TESTS_TALK_SIDES_H
#define POSTERN_TESTS_TALK_SIDES_H

#include "tests/talk/end.h"
#include "tests/talk/script.h"
#include "tests/talk/witness.h"

enum { INSIDE_CONNECTIONS_MAX = 16 };

struct sides {
    const char *directory; /* where the servers' sockets lie, "1", "2", .. */
    char certificates[200];
    struct secure_ticket *ticket; /* that the outside heard last */
    struct report *report;
    struct end outside;
    int outside_session_fd;                    /* the session's end of it */
    struct end inside[INSIDE_CONNECTIONS_MAX]; /* the last one is who "inside" is now */
    struct witness witness[INSIDE_CONNECTIONS_MAX];
    int inside_count;
    int listeners[SCRIPT_SERVERS_MAX]; /* -1: refuses */
    int server_count;
    size_t cut; /* struct end: of every end */
};

void sides_open(struct sides *sides, const struct script *script, const char *directory, size_t cut,
                struct report *report);
void sides_close(struct sides *sides);

/* A new outside connection; the descriptor that the session takes. */
int sides_connect_outside(struct sides *sides);

/* False when nobody wants to connect to this server. */
bool sides_accept(struct sides *sides, int server);
/* The number of a server to which a connection was made that no step accepted; 0: none. */
int sides_unaccepted(const struct sides *sides);
struct end *sides_inside(struct sides *sides); /* NULL: never connected */
void sides_begin_data(struct sides *sides);
bool sides_in_data(const struct sides *sides);
/* The session's descriptor of the present inside connection; -1 when it has none open. */
int sides_session_fd(const struct sides *sides);

/* Everything that can be written and read now; true when anything moved. Fails the talk on what a witness saw. */
bool sides_move(struct sides *sides);

#endif
