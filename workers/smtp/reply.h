/* SPDX-License-Identifier: ISC
 *
 * reply - an SMTP reply as a value (RFC 5321 section 4.2, RFC 2034, RFC 3463).
 *
 * It carries inside's answers, a check's refusal and local failures alike. The text has its lines separated by '\n',
 * without codes; the enhanced code stands apart. Own replies are named constants made with REPLY().
 * The reader of inside's replies is attack surface: lines, their number and their sum are bounded, the code must be the
 * same on every line, control characters become blanks. Pure.
 */
#ifndef POSTERN_WORKERS_SMTP_REPLY_H
#define POSTERN_WORKERS_SMTP_REPLY_H

#include "common/buffer.h"

enum {
    REPLY_LINE_MAX = 2048, /* octets of one line from inside, with CRLF; RFC 5321's 512 is a minimum */
    REPLY_TEXT_MAX = 8192, /* of all lines' texts */
    REPLY_LINES_MAX = 128,
    ENHANCED_MAX = 12 /* "5.999.999" and NUL */
};

struct reply {
    int code;                    /* 200..599; 0: none */
    char enhanced[ENHANCED_MAX]; /* "5.7.1", or "" */
    struct slice text;
};

/* clang-format off */
#define REPLY(code, enhanced, text) { (code), (enhanced), SLICE(text) }
/* clang-format on */

int reply_class(const struct reply *reply); /* 2, 3, 4, 5; 0 for none */

/* All lines with CRLF, the enhanced code on each of them where there is one (RFC 2034: not for 220, 3yz and EHLO, whose
 * `enhanced` is ""). False when it does not fit: nothing is written then. */
bool reply_print(struct buffer *to, const struct reply *reply);

/* Reading inside's. The text lies in the reader's own memory until reply_reader_begin. */
struct reply_reader {
    int code;
    int line_count;
    size_t size;
    char enhanced[ENHANCED_MAX];
    char text[REPLY_TEXT_MAX];
};

enum reply_progress { REPLY_MORE, REPLY_DONE, REPLY_BAD };

void reply_reader_begin(struct reply_reader *reader);
/* One line with its LF (a CR before it is dropped). REPLY_BAD: not a reply, or one over a limit. */
enum reply_progress reply_reader_line(struct reply_reader *reader, struct slice line, struct reply *reply_out);

#endif
