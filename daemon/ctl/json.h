/* SPDX-License-Identifier: ISC
 *
 * json - an answer for programs: one document {"verb": .., "ok": .., "records": [{"kind": .., ..}], "error": {..}};
 * numbers are numbers, flags true or false. Octets beyond ASCII that are not UTF-8 become '?'.
 */
#ifndef POSTERN_CTL_JSON_H
#define POSTERN_CTL_JSON_H

#include <stdio.h>

#include "daemon/ctl/answer.h"

/* False: it could not be written. */
bool json_print(FILE *to, enum control_verb verb, const struct answer *answer);
/* Nobody answered, or not to the end. A document as well: who pipes it into another program sees no exit status. */
bool json_print_unheard(FILE *to, enum control_verb verb, const char *why);

/* -- the same of an answer that comes in pieces; "ok" then stands behind the records. */
struct json_pieces {
    FILE *to;
    int64_t count; /* records so far */
};
void json_begin_pieces(struct json_pieces *pieces, FILE *to, enum control_verb verb);
void json_print_piece(struct json_pieces *pieces, const struct answer *answer);
/* `unheard`: why there is no end of it; NULL: there is one. False: it could not be written. */
bool json_end_pieces(struct json_pieces *pieces, const struct answer *answer, const char *unheard);

#endif
