/* SPDX-License-Identifier: ISC
 *
 * inside_server - what inside says in a fuzzed session: a correct server, unless it was told otherwise.
 *
 * Each answer is one character of a script: '=' is what a server says that is content; the others are in the table of
 * inside_server.c.
 */
#ifndef POSTERN_TESTS_FUZZ_INSIDE_SERVER_H
#define POSTERN_TESTS_FUZZ_INSIDE_SERVER_H

#include "tests/fuzz/wire.h"
#include "tests/fuzz/witness.h"

/* What its EHLO does not offer. */
struct inside_offers {
    bool no_pipelining, no_chunking, no_smtputf8, no_8bitmime, no_binarymime, no_xclient, no_auth, small;
    bool xforward; /* .. and does */
};

/* Answers what is pending, in the way that `how` says. False: it stays silent. */
bool inside_server_answer(struct witness_inside *in, struct wire *wire, const struct inside_offers *offers, char how);
/* Is it a whole reply and nothing else, whatever it says? */
bool inside_server_is_plain(char how);

#endif
