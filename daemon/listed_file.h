/* SPDX-License-Identifier: ISC
 *
 * listed_file - the list of whom an administrator blocked or allowed, as a text file: one line an entry
 * (listed_line.h), read at the start, and replaced as a whole whenever the list changes.
 *
 * A line that is not understood is complained of and left out; the others hold. Whoever edits the file while posternd
 * runs, or leaves a bad line in it, does not lose what he wrote: what is there and is not as posternd left it is kept
 * beside it, with .saved added to its name, before it is replaced.
 */
#ifndef POSTERN_DAEMON_LISTED_FILE_H
#define POSTERN_DAEMON_LISTED_FILE_H

#include <sys/stat.h>

#include "common/listed.h"

#define LISTED_FILE_SAVED ".saved"

struct listed_file {
    const char *path; /* of the configuration that the process began with, which stays */
    struct stat is;   /* as it was read, all of it good, or written; zero: whatever is there is somebody else's */
};

typedef void listed_file_complaint(void *context, int line, const char *why); /* line 0: the file */

/* Nothing is read where there is no file. */
void listed_file_read(struct listed_file *file, struct listed *to, time_t now, listed_file_complaint *complain,
                      void *context);
/* On disk when it comes back: a crash leaves the one or the other. False with why, and the old file stays. */
bool listed_file_write(struct listed_file *file, const struct listed *from, time_t now, bool *saved_out, char *why,
                       size_t why_size);

#endif
