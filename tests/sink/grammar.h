/* SPDX-License-Identifier: ISC
 *
 * grammar - RFC 5321 section 4.1.2, strictly: what matches is taken off the front of the text, or nothing is.
 *
 * Written for the sink alone. It is on purpose not the grammar of the program under test, and more severe.
 */
#ifndef SINK_GRAMMAR_H
#define SINK_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    const char *at;
    const char *end;
};

bool text_is_empty(const struct text *t);
size_t text_size(const struct text *t);
bool text_is(const struct text *t, const char *word); /* the whole of it; no case */
bool take_char(struct text *t, char c);
bool take_word(struct text *t, const char *word); /* no case */
struct text take_until(struct text *t, char c);   /* what stands before c; c itself stays */

bool take_domain(struct text *t); /* Domain or address-literal */
bool take_atom(struct text *t);   /* 1*atext */
/* Reverse-path or Forward-path, "<>" and "<postmaster>" among them; utf8 and null say what was in it. */
bool take_path(struct text *t, bool *utf8_out, bool *null_out);
bool is_xtext(const struct text *t);                     /* RFC 3461 section 4; at least one octet */
bool is_number(const struct text *t, size_t digits_max); /* 1*digits_max DIGIT */

#endif
