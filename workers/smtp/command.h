/* SPDX-License-Identifier: ISC
 *
 * command - one line from outside into verb and argument (RFC 5321 section 4.1.1). Pure.
 *
 * The argument is a slice of the line; nothing is unescaped. A line with a bare CR, bare LF, NUL or another control
 * character than TAB is refused whole: what one parser sees as two lines is no command.
 */
#ifndef POSTERN_WORKERS_SMTP_COMMAND_H
#define POSTERN_WORKERS_SMTP_COMMAND_H

#include "common/slice.h"

enum {
    COMMAND_LINE_MAX = 4096, /* with CRLF; RFC 5321's 512 is a minimum (L5) */
    COMMAND_AUTH_LINE_MAX = 12288,
    HELO_NAME_MAX = 255
};

/* clang-format off */
enum verb {
    VERB_HELO, VERB_EHLO, VERB_MAIL, VERB_RCPT, VERB_DATA, VERB_BDAT, VERB_RSET, VERB_NOOP, VERB_QUIT, VERB_VRFY,
    VERB_EXPN, VERB_HELP, VERB_STARTTLS, VERB_AUTH, VERB_ETRN, VERB_TURN, VERB_BURL, VERB_XCLIENT, VERB_XFORWARD,
    VERB_UNKNOWN
};
/* clang-format on */

enum command_fault { COMMAND_FINE, COMMAND_NO_CRLF, COMMAND_BARE_CR, COMMAND_NUL, COMMAND_CONTROL };

struct command {
    enum verb verb;
    struct slice argument; /* blanks at both ends dropped; may be empty */
};

/* `line` with its end, as stream_read_line gives it. "MAIL FROM:" and "RCPT TO:" keep FROM:/TO: in the argument. */
enum command_fault command_parse(struct slice line, struct command *out);
const char *verb_name(enum verb verb);
enum verb verb_find(struct slice word); /* VERB_UNKNOWN: it is none */

/* HELO and EHLO: a name that may be said inside and logged: 1..255 octets, printable ASCII, no blank (RFC 6531 section
 * 3.7.1: A-labels). Odd names pass (underscores, bare words, broken literals); only what could do harm is refused. */
bool helo_name_is_safe(struct slice name);

#endif
