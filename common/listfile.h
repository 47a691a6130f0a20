/* SPDX-License-Identifier: ISC
 *
 * listfile - files that hold a list: an item a line, and what belongs to it behind it.
 *
 *     192.0.2.0/24            no more than the item
 *     .example.org  go away   with words for it
 *     # a comment, as is all behind a # that begins a word
 *
 * As postern.conf such a file must not be writable by group or others; it is bounded, plain text, and the first fault
 * ends it. What an item may be is the reader's business; here it is a word of printable ASCII.
 */
#ifndef POSTERN_COMMON_LISTFILE_H
#define POSTERN_COMMON_LISTFILE_H

#include "common/slice.h"

enum { LISTFILE_BYTES_MAX = 64 << 20, LISTFILE_LINE_MAX = 2048, LISTFILE_LINES_MAX = (1 << 24) - 1 };

/* The whole file, in memory of its own. */
struct listfile {
    char *octets;
    size_t size;
};
/* False: `why` says what is wrong with it, without its name ("cannot be opened: .."). */
bool listfile_read(const char *path, struct listfile *out, char *why, size_t why_size);
void listfile_free(struct listfile *file);

/* Its lines, one after the other; pure. Begins as { .rest = the text }. */
struct listfile_lines {
    struct slice rest;
    uint32_t number;   /* of the line that was taken last; from 1 on */
    const char *wrong; /* with that line, if anything */
};
struct listfile_item {
    struct slice word, rest; /* without blanks at their ends; `rest` may be empty */
};
/* The next one that holds an item. False: there is none, or `wrong`. */
bool listfile_next(struct listfile_lines *lines, struct listfile_item *item_out);

#endif
