/* SPDX-License-Identifier: ISC
 *
 * maildir - messages kept in a Maildir: written in tmp, moved to new when they are whole.
 *
 * Failures are kept in the message and come out at maildir_commit. Nothing is synchronised to the disk: these are
 * messages of tests. The Maildir is made where there is none.
 */
#ifndef SINK_MAILDIR_H
#define SINK_MAILDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAILDIR_NAME_MAX = 128 };

struct maildir_message {
    int fd; /* -1: none is open */
    bool failed;
    char name[MAILDIR_NAME_MAX];
};

/* False with errno. */
bool maildir_make(const char *path);
void maildir_begin(struct maildir_message *m, const char *path, uint64_t connection, uint64_t message);
void maildir_write(struct maildir_message *m, const char *octets, size_t size);
bool maildir_commit(struct maildir_message *m, const char *path);
void maildir_drop(struct maildir_message *m, const char *path); /* of none: nothing */

#endif
