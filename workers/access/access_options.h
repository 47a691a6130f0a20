/* SPDX-License-Identifier: ISC
 *
 * access_options - access { } of a policy: lists of clients, HELO names, senders and recipients, each for each of four
 * actions, written there or in files; and what an item of each may be.
 *
 * What stands in the configuration is checked with it. What stands in files is read where the lists are made
 * (access_lists.h), by the same words.
 */
#ifndef POSTERN_WORKERS_ACCESS_ACCESS_OPTIONS_H
#define POSTERN_WORKERS_ACCESS_ACCESS_OPTIONS_H

#include "common/config.h"
#include "workers/check.h"

enum access_of { ACCESS_CLIENT, ACCESS_HELO, ACCESS_SENDER, ACCESS_RECIPIENT, ACCESS_OFS };
/* An entry that is in several lists is in the first of these. */
enum access_action { ACCESS_ALLOW, ACCESS_REJECT, ACCESS_DEFER, ACCESS_SCORE, ACCESS_ACTIONS };

enum { ACCESS_POINTS_MAX = 1000 };

struct access_options {
    struct check_options common;
    struct text_list lists[ACCESS_OFS][ACCESS_ACTIONS];
    int64_t points;
    const char *reply, *reply_later;
};

extern const struct block access_block;

const char *access_list_name(enum access_of of, enum access_action action); /* "reject_helo" */
/* "file:/etc/postern/friends" is one; NULL: the item is an entry itself. */
const char *access_file_of(const char *item);

struct access_item {
    bool is_network;
    struct network network;
    struct slice name; /* as a nameset knows it; of the text it was read from */
    struct slice rest; /* the reply of reject and defer, the points of score; empty: the common ones */
};
/* NULL, or what is wrong; then *allowed_out says what may be written. Pure. */
const char *access_item_parse(enum access_of of, enum access_action action, struct slice word, struct slice rest,
                              struct access_item *out, const char **allowed_out);
/* What access_item_parse has let pass. */
int access_points_of(const char *rest);

#endif
