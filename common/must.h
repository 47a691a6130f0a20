/* SPDX-License-Identifier: ISC
 *
 * must - what can only be false by a bug of ours: the process ends at once, the master cleans up.
 *
 * Not assert(): it holds in every build, and says where in the log. */
#ifndef POSTERN_COMMON_MUST_H
#define POSTERN_COMMON_MUST_H

#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))

_Noreturn void must_failed(const char *condition, const char *file, int line);

#endif
