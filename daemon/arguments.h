/* SPDX-License-Identifier: ISC
 *
 * arguments - the command line of posternd.
 */
#ifndef POSTERN_DAEMON_ARGUMENTS_H
#define POSTERN_DAEMON_ARGUMENTS_H

#include "common/config.h"

#define POSTERN_CONF "/etc/postern/postern.conf"

struct arguments {
    const char *path;
    struct text_list overrides;
    bool check, foreground, log_to_stderr, reference, version, help;
};

/* False: not understood, or no memory; why was said, with the usage. Everything points into argv. */
bool arguments_parse(struct arguments *arguments, int argc, char **argv);
void arguments_clear(struct arguments *arguments);
bool arguments_print_usage(FILE *to);

#endif
