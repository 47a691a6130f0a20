/* SPDX-License-Identifier: ISC
 *
 * hearing - tells once when sessions hear nothing from the name servers any more, and once when they do again.
 *
 * A session that had one answer, whatever it was, heard; one whose questions all failed, or were not answered in the
 * time that it waited, did not; one that asked nothing, or left before, says nothing. All workers count together
 * (common/silence.h): a domain that does not answer is not taken for a resolver that does not.
 */
#ifndef POSTERN_WORKERS_HEARING_H
#define POSTERN_WORKERS_HEARING_H

struct session;

void hearing_learn(const struct session *s); /* once, at its end, before its lookups are forgotten */

#endif
