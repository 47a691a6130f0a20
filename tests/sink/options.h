/* SPDX-License-Identifier: ISC
 *
 * options - what the sink was asked to do on its command line.
 *
 * options_parse ends the process itself: status 0 after --help, 2 after a mistake, with the usage on stderr.
 */
#ifndef SINK_OPTIONS_H
#define SINK_OPTIONS_H

#include <stdbool.h>

enum { PROCESSES_MAX = 64, MARKS_MAX = 4 };

struct options {
    const char *address;
    const char *maildir; /* NULL: messages are counted and forgotten */
    const char *raw;     /* NULL: none */
    bool print;
    bool count;
    bool ready;
    bool xclient;
    bool nobody;                  /* recipients of that name do not exist */
    const char *marks[MARKS_MAX]; /* begins of senders whose messages are counted apart */
    int mark_count;
    int processes; /* 1..PROCESSES_MAX */
};

void options_parse(int argc, char **argv, struct options *out);

#endif
