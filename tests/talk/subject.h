/* SPDX-License-Identifier: ISC
 *
 * subject - what the talks are held with: the real session (subject_session.c), or a toy that the runner's own tests
 * use (subject_toy.c). Each is linked into a runner of its own.
 */
#ifndef POSTERN_TESTS_TALK_SUBJECT_H
#define POSTERN_TESTS_TALK_SUBJECT_H

#include "tests/talk/script.h"

/* Configuration with the talk's settings; server N listens at the Unix socket `directory`/N. */
bool subject_prepare(const struct script *script, const char *directory, char *why, size_t why_size);
/* Where the session's log lines go. */
void subject_log_to(void (*sink)(const char *line));
/* One session from greeting to end; takes the descriptor. `client` is "address:port". */
void subject_serve(int outside_fd, const char *client);
/* So many of HOUSE_WORKERS are busy, and of the others among them so many held; 1 and 0 when nobody says so. */
void subject_house(int busy, int held);
/* So many others, of HOUSE_WORKERS - 1, sit where this session does: they are counted for the same. */
void subject_beside(int count);
/* So many others, of HOUSE_WORKERS - 1, have their sessions with inside server 1. */
void subject_taken(int count);
void subject_waiting(int count);  /* so many would, when this session has left it */
void subject_ask_for_room(void);  /* an octet into the pressure pipe */
int subject_room_asked_for(void); /* the octets that are there, taken out */
void subject_clear(void);

#endif
