/* SPDX-License-Identifier: ISC
 *
 * control - the language between posternctl and posternd: one line in, lines out, over a Unix stream socket.
 *
 * The request: a verb and its arguments, blanks between them, LF at the end, at most CONTROL_LINE_MAX octets, printable
 * ASCII; behind it, for `store import` alone, further lines until who asks has no more to say. The answer: any number
 * of records, each a kind and fields, `session id="1k0t3" pid=4711 busy=true`; a text in double quotes, with \" \\ and
 * \xHH, a number or true and false bare, so that a program knows which is which; then one line that ends it: `ok`, or
 * `error why=".." try=".."`; then the connection is closed. A connection that ends without it was cut.
 *
 * The table of verbs is shared by both ends.
 */
#ifndef POSTERN_COMMON_CONTROL_H
#define POSTERN_COMMON_CONTROL_H

#include "common/buffer.h"
#include "common/log.h"
#include "common/slice.h"

enum {
    CONTROL_LINE_MAX = 512, /* with its LF */
    CONTROL_ARGUMENTS_MAX = 8,
    CONTROL_RECORD_MAX = 4096,           /* a line of the answer, with its LF */
    CONTROL_CHILD_MS = 30000,            /* a child has so long for its answer */
    CONTROL_LASTING_MS = 10 * 60 * 1000, /* or so long, where it lasts */
    CONTROL_TRACE_DEFAULT_MS = 10 * 60 * 1000,
    CONTROL_TRACE_MAX_MS = 24 * 60 * 60 * 1000
};
#define CONTROL_LISTED_MAX_MS (INT64_C(3650) * 24 * 60 * 60 * 1000)

#define CONTROL_SOCKET "/run/postern/control"
/* Added to the socket's name by a master that stops: it answers until its last session ended, and leaves the name
 * itself to the next one. */
#define CONTROL_DRAINING ".draining"

enum control_verb {
    CONTROL_STATUS,
    CONTROL_SESSIONS,
    CONTROL_WORKERS,
    CONTROL_SERVERS,
    CONTROL_RELOAD,
    CONTROL_UPGRADE,
    CONTROL_STOP,
    CONTROL_CHECK,
    CONTROL_KILL,
    CONTROL_LOG,
    CONTROL_TRACE,
    CONTROL_BLOCK,
    CONTROL_ALLOW,
    CONTROL_FORGET,
    CONTROL_BYPASS,
    CONTROL_LIMITS,
    CONTROL_RATES,
    CONTROL_LISTS,
    CONTROL_CLIENTS,
    CONTROL_STATS,
    CONTROL_HISTORY,
    CONTROL_METRICS,
    CONTROL_EXPLAIN,
    CONTROL_GREYLIST,
    CONTROL_REPUTATION,
    CONTROL_STORE,
    CONTROL_VERSION,
    CONTROL_VERBS
};

/* Who answers: the master itself, at once and in a few lines; the master when something is over; or a confined child of
 * its own, so that no listing and no slow reader holds the master up. What changes anything is done by the master also
 * where a child then answers (kill); where the master's deed has said something, that is the answer (block). */
enum control_by { CONTROL_BY_MASTER, CONTROL_LATER, CONTROL_BY_CHILD };

struct control_row {
    const char *name;
    enum control_by by;
    int arguments_least, arguments_most;
    const char *arguments; /* for the usage: "SESSION" */
    const char *meaning;   /* one line */
    bool free_end;         /* the last of the most arguments is all the rest of the line */
    bool lasts;            /* it may take minutes, and the answer may be too long to be kept */
};

extern const struct control_row control_verbs[CONTROL_VERBS];

bool control_find(struct slice name, enum control_verb *verb_out);

struct control_request {
    enum control_verb verb;
    struct slice arguments[CONTROL_ARGUMENTS_MAX]; /* slices of the line */
    int count;
};

/* Without its LF. False: *why_out, a constant, says what is wrong with it. */
bool control_parse(struct slice line, struct control_request *out, const char **why_out);

/* "debug"; *configured_out for "configured", the level of the configuration. False: neither. */
bool control_parse_level(struct slice word, bool *configured_out, enum level *level_out);
const char *control_level_name(enum level level);
/* "30s", "10m", "2h", "1d". False: not that, 0, or more than `most_ms`. */
bool control_parse_duration(struct slice word, int64_t most_ms, int64_t *ms_out);
/* From the `first` argument to the end of the line, as it was written; empty where there are not so many. */
struct slice control_words_from(const struct control_request *request, int first);

/* -- records, printed: begin, fields, end. A field that does not fit is left out whole and `overflow` says so; begin
 * with room for a record, and none is lost. */
void control_begin(struct buffer *to, const char *kind);
void control_text(struct buffer *to, const char *key, struct slice value);
void control_string(struct buffer *to, const char *key, const char *value); /* NULL: left out */
void control_number(struct buffer *to, const char *key, int64_t value);
void control_flag(struct buffer *to, const char *key, bool value);
void control_end(struct buffer *to);

/* -- and read, by posternctl: field after field off the front of *rest, which begins as a line without its LF */
enum control_type { CONTROL_IS_TEXT, CONTROL_IS_NUMBER, CONTROL_IS_FLAG };
struct control_field {
    struct slice key;
    enum control_type type;
    char text[CONTROL_RECORD_MAX]; /* unescaped, may hold any octet, then a NUL; of numbers and flags as written */
    size_t size;
    int64_t number; /* of a number; 1 and 0 of a flag */
};
bool control_read_kind(struct slice *rest, struct slice *kind_out);
/* False: no further one (*rest is empty), or what is there is none (it is not). */
bool control_read_field(struct slice *rest, struct control_field *out);

#endif
