/* SPDX-License-Identifier: ISC
 *
 * auth_options - a listener's auth { }: may clients log in, in the clear too, and by which mechanisms.
 */
#ifndef POSTERN_WORKERS_AUTH_OPTIONS_H
#define POSTERN_WORKERS_AUTH_OPTIONS_H

#include "common/config.h"

enum auth_mode { AUTH_MODE_NONE, AUTH_MODE_MAY, AUTH_MODE_REQUIRE };

struct auth_options {
    int mode;       /* enum auth_mode */
    bool plaintext; /* without TLS, too */
    struct text_list mechanisms;
};

extern const struct block auth_block; /* fills struct auth_options */

uint32_t auth_options_mechanisms(const struct auth_options *options); /* enum keyword */

#endif
