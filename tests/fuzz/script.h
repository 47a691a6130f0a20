/* SPDX-License-Identifier: ISC
 *
 * script - the input of the session targets: what both sides do, as text that people and fuzzers can read and write.
 *
 *     FLAGS|Oethe first octets|Omore|A==j|T5
 *
 * FLAGS are letters, see rig.c. Each step begins with '|' and its letter; "||" in it is one '|':
 *
 *     O text      the outside says it, all at once      o text   .. octet by octet
 *     B text      .. again and again, 70,000 octets in all
 *     A chars     how inside answers what is asked next, one character for each (inside_server.c)
 *     Q text      inside answers what is asked next with exactly that
 *     I text      inside says it now, asked or not
 *     e, E        the outside says FIN, is reset        i, R     so does inside
 *     D 0-9, L    the outside reads so little from here on; reads again      d 0-9, l  so does inside
 *     T 0-9       time passes, a little (0) to hours (9)
 *     C chars     how the next connections go: '=' well, 'r' refused, 't' late
 */
#ifndef POSTERN_TESTS_FUZZ_SCRIPT_H
#define POSTERN_TESTS_FUZZ_SCRIPT_H

#include "common/slice.h"

enum { SCRIPT_STEPS_MAX = 400, SCRIPT_BYTES_MAX = 8192 };

struct step {
    char what;
    struct slice text;
};

struct script {
    struct slice flags;
    struct step steps[SCRIPT_STEPS_MAX];
    int count;
    char memory[SCRIPT_BYTES_MAX]; /* of all these slices */
    size_t size;
};

bool script_has(const struct script *script, char flag);
/* False: too long. */
bool script_parse(struct slice input, struct script *out);

#endif
