/* SPDX-License-Identifier: ISC
 *
 * body_oracle - what workers/smtp/body must make of a message, answered from the definition, octet by octet, by one who
 * sees everything at once and is in no hurry.
 */
#ifndef POSTERN_TESTS_BODY_ORACLE_H
#define POSTERN_TESTS_BODY_ORACLE_H

#include "workers/smtp/body.h"

struct body_answer {
    char *runs; /* put together: the asker's memory, twice as much as the input and 2 octets more */
    size_t runs_size;
    bool ended;
    size_t taken; /* octets up to and with the final dot's CRLF */
    uint64_t size;
    enum body_fault fault;
};

/* `out` brings runs along. A chunked message is whole: it ends where the input does. */
void body_oracle_ask(struct slice input, bool chunked, bool mends, struct body_answer *out);

#endif
