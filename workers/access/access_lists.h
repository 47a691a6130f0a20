/* SPDX-License-Identifier: ISC
 *
 * access_lists - the lists of access { } compiled: made before workers are forked, in sealed memory that all of them
 * share, and made anew when a file of theirs changes.
 *
 * Of the entries that hold what is looked for the most specific one counts, alone; of equal ones that of the first
 * action (enum access_action). A look takes no memory and no system call.
 */
#ifndef POSTERN_WORKERS_ACCESS_ACCESS_LISTS_H
#define POSTERN_WORKERS_ACCESS_ACCESS_LISTS_H

#include "workers/access/access_options.h"

enum { ACCESS_SOURCES_MAX = 255 }; /* files, and lists written in the configuration, for one of enum access_of */

struct access_lists;

/* NULL, and what is wrong with which option; option NULL: no memory. */
struct access_lists *access_lists_new(const struct access_options *options, struct check_fault *fault_out);
void access_lists_free(struct access_lists **lists);

/* Which entry it was, and what is to be done. */
struct access_hit {
    enum access_action action;
    const char *source; /* the file's path, or the list's name */
    uint32_t line;      /* 0: not in a file */
    const char *rest;   /* what stands behind the entry, or NULL */
};
bool access_find_client(const struct access_lists *lists, const struct ipaddr *client, struct access_hit *out);
/* Are there entries by name for clients? Else nobody needs to ask for it. */
bool access_knows_names(const struct access_lists *lists);
bool access_find_name(const struct access_lists *lists, struct slice name, struct access_hit *out);
bool access_find_helo(const struct access_lists *lists, struct slice name, struct access_hit *out);
/* `of`: ACCESS_SENDER or ACCESS_RECIPIENT. Quotes around the local part are none. */
bool access_find_path(const struct access_lists *lists, enum access_of of, const struct path *path,
                      struct access_hit *out);

#endif
