/* SPDX-License-Identifier: ISC
 *
 * subject - the real session, as a worker would call it, set up as the FLAGS of a script say:
 *
 *     g  connect = greeting      x  pass_client = xclient     1, 2  proxy-v1, proxy-v2     (else: mail, none)
 *     n  bare_lf = normalise     r  received = yes            s  message_size_limit = 200  e  max_errors = 3
 *     a  auth { mode = may }     A  .. = require              X  xclient_from, xforward_from: the outside
 *     k  keywords are remembered +  two servers               w  all recipients are refused but the postmaster
 *                                                             W  .. where the sender's name has an a in it
 *
 * Its memory is full of a word that no session may tell (L8).
 */
#ifndef POSTERN_TESTS_FUZZ_SUBJECT_H
#define POSTERN_TESTS_FUZZ_SUBJECT_H

#include "tests/fuzz/script.h"
#include "tests/fuzz/witness.h"

void subject_prepare(void); /* once: the configuration */
/* The next session, and what the witness must know of how it is set up. */
void subject_begin(const struct script *script, struct witness *witness);
void subject_serve(int outside_fd);
/* Does somebody hear the word? */
bool subject_tells(const char *text, size_t size);
/* The script says it itself. */
bool subject_is_spoiled(const struct script *script);

#endif
