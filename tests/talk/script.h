/* SPDX-License-Identifier: ISC
 *
 * script - a talk's text file as a list of steps.
 *
 * README in this directory describes the language. A mistake in the file is told with its line; nothing is guessed.
 */
#ifndef POSTERN_TESTS_TALK_SCRIPT_H
#define POSTERN_TESTS_TALK_SCRIPT_H

#include "common/slice.h"

enum {
    SCRIPT_SERVERS_MAX = 4,
    SCRIPT_SETTINGS_MAX = 32,
    SCRIPT_DNS_MAX = 256,
    SCRIPT_LISTS_MAX = 32,
    SCRIPT_STORE_MAX = 32
};

enum side { SIDE_NONE, SIDE_OUTSIDE, SIDE_INSIDE };

enum { HOUSE_WORKERS = 5 };

enum step_kind {
    STEP_SAY,     /* text: octets to write */
    STEP_REPLY,   /* outside hears one whole reply */
    STEP_LINE,    /* inside hears one line */
    STEP_OCTETS,  /* exactly these come next */
    STEP_FIELD,   /* inside hears one header field with its folded lines; text = "Name" or "Name words in it" */
    STEP_NOTHING, /* nothing unheard is there, and no new connection */
    STEP_CONNECT, /* outside: the next session begins; inside: server `number` accepts */
    STEP_CLOSE,
    STEP_HALF_CLOSE,
    STEP_RESET,
    STEP_CLOSED,       /* the session has ended this connection, and all that came was heard */
    STEP_BROKEN_OFF,   /* inside: as closed, but what is unheard does not matter as long as no final dot is in it */
    STEP_LEAVES,       /* inside: as closed, perhaps after a QUIT, which is answered */
    STEP_DEAF,         /* stops reading */
    STEP_LISTEN,       /* reads again */
    STEP_TLS,          /* a handshake, text = its words (secure_parse), up to its good end */
    STEP_TLS_FAILS,    /* .. to its bad end */
    STEP_TLS_BEGINS,   /* outside: only the first `number` octets of its ClientHello; 0: all of them */
    STEP_TLS_FINISHES, /* .. and the rest */
    STEP_TRICKLE,      /* .. or so many octets more */
    STEP_CLIENT_HELLO, /* inside hears one, and can do no TLS */
    STEP_NO_TLS,       /* .. as from here on, unasked */
    STEP_CLOSE_NOTIFY, /* says TLS's end, and nothing else */
    STEP_CLEAR,        /* text, beneath TLS */
    STEP_TLS_CLOSED,   /* as closed, and close_notify was said before */
    STEP_TIME,         /* `number` milliseconds pass */
    STEP_BUSY,         /* from here on so many of HOUSE_WORKERS are busy, this session's own among them */
    STEP_BESIDE,       /* so many other workers' sessions are counted for the same as this one, by `concurrent` */
    STEP_TAKEN,        /* .. are with inside server 1, by max_sessions */
    STEP_WAITING,      /* .. and so many wait until this session leaves it */
    STEP_HELD,         /* .. and of the others so many in the tarpit */
    STEP_ASK,          /* `number` octets into the pressure pipe */
    STEP_ASKED,        /* so many lie there, and are taken out */
    STEP_LOG,          /* a log line with all these words */
    STEP_LATE_LOG,     /* the same, written when the outside had heard all that was dealt with so far */
    STEP_NO_LOG,       /* none with all these words since the last L: */
    STEP_END,          /* the rest does not matter, but must come to an end */
    STEP_KINDS
};

enum match {
    MATCH_CONTAINS, /* a reply: the code, and the text in one of its lines */
    MATCH_LINES,    /* a reply: these lines, '\n' between them; the first one first, the others in any order */
    MATCH_EXACT,
    MATCH_PREFIX,
    MATCH_REGEX /* POSIX extended */
};

struct step {
    enum step_kind kind;
    enum side side;
    enum match match;
    bool joined; /* the next step follows before the session goes on */
    int line;
    int64_t number;
    char *text; /* escapes undone, NUL behind it */
    size_t size;
    char *source; /* as written */
};

struct script {
    const char *path;
    char *title;
    char *client;                                                         /* NULL: the default */
    enum { REPUTATION_NONE, REPUTATION_GOOD, REPUTATION_BAD } reputation; /* of the client, before it comes */
    char *settings[SCRIPT_SETTINGS_MAX];                                  /* "option=value" */
    size_t setting_count;
    char *policy;              /* what else stands in policy inbound { }, lines of the file; NULL: nothing */
    char *dns[SCRIPT_DNS_MAX]; /* what DNS says; tests/lib/fake_dns.h */
    size_t dns_count;
    char *lists[SCRIPT_LISTS_MAX]; /* lines of list files: "friends 192.0.2.7" */
    size_t list_count;
    char *store[SCRIPT_STORE_MAX]; /* what the storekeeper answers; tests/lib/fake_store.h */
    size_t store_count;
    bool uncut; /* it depends on what arrives together */
    int server_count;
    bool refuses[SCRIPT_SERVERS_MAX];
    /* the runner's own tests: this talk is right when it fails there, with this text in the message */
    int must_fail_at;
    char *must_fail_text;
    struct step *steps;
    size_t step_count;
};

/* False after a mistake, which is then in `why`. Free in both cases. */
bool script_load(const char *path, struct script *out, char *why, size_t why_size);
void script_free(struct script *script);
bool script_needs_certificates(const struct script *script);

/* Whom the first session is held with, "address:port". */
const char *script_client(const struct script *script);

#endif
