/* SPDX-License-Identifier: ISC
 *
 * The checks, in the order in which they are asked. To add one: its file beside this one, a row here, a talk, a line in
 * README's map; tests/lib/template_check.c shows how one is written.
 *
 * Whoever can allow a client comes first: what he says goes for those behind him.
 */
#include "workers/check.h"

/* clang-format off */
#define CHECKS(ROW) \
    ROW(pregreet)   \
    ROW(listed)     \
    ROW(access)     \
    ROW(rdns)       \
    ROW(helo)       \
    ROW(sender)     \
    ROW(spf)        \
    ROW(recipient)  \
    ROW(mailbox)    \
    ROW(limits)     \
    ROW(crowd)      \
    ROW(dnsbl)      \
    ROW(hops)       \
    ROW(greylist)
/* clang-format on */

#define DECLARED(name) extern const struct check check_##name;
#define ROW_OF(name)   &check_##name,

CHECKS(DECLARED)

const struct check *const check_table[] = {CHECKS(ROW_OF) NULL};
