/* SPDX-License-Identifier: ISC
 *
 * The checks, in the order in which they are asked. To add one: its file beside this one, a row here, a talk, a line in
 * README's map.
 */
#include "workers/check.h"

extern const struct check check_pregreet;
extern const struct check check_listed;
extern const struct check check_access;
extern const struct check check_rdns;
extern const struct check check_helo;
extern const struct check check_sender;
extern const struct check check_spf;
extern const struct check check_recipient;
extern const struct check check_limits;
extern const struct check check_crowd;
extern const struct check check_hops;

/* clang-format off */
const struct check *const check_table[] = {
    &check_pregreet,
    &check_listed,
    &check_access,
    &check_rdns,
    &check_helo,
    &check_sender,
    &check_spf,
    &check_recipient,
    &check_limits,
    &check_crowd,
    &check_hops,
    NULL,
};
/* clang-format on */
