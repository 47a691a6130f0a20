/* SPDX-License-Identifier: ISC
 *
 * pieces - an answer of which nobody knows how long it will be (the greylist, an export): printed as it comes, and not
 * kept. For people, for programs, or, where its records are lines of a file, as those lines.
 */
#ifndef POSTERN_CTL_PIECES_H
#define POSTERN_CTL_PIECES_H

#include "daemon/ctl/json.h"
#include "daemon/ctl/table.h"

struct pieces {
    FILE *to;
    enum control_verb verb;
    bool json;
    struct json_pieces of_json;
    struct table_pieces of_table;
};

void pieces_begin(struct pieces *pieces, FILE *to, enum control_verb verb, bool json);
void pieces_take(void *pieces, const struct answer *answer); /* an answer_take */
/* The last of it. `unheard`: why there is no end; NULL: there is one. */
void pieces_end(struct pieces *pieces, const struct answer *answer, const char *unheard);

#endif
