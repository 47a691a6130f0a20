/* SPDX-License-Identifier: ISC
 *
 * secure - TLS of one of the runner's ends: client outside, server inside. OpenSSL over memory, nothing of Postern's.
 *
 * It never fails by itself: what went wrong is its state and a text. All that comes in is watched to be TLS records as
 * long as this lives, so a word in the clear is seen as one, also after TLS ended or failed.
 */
#ifndef POSTERN_TESTS_TALK_SECURE_H
#define POSTERN_TESTS_TALK_SECURE_H

#include "common/slice.h"

enum { SECURE_NAME_MAX = 64, SECURE_WHY_MAX = 256 };

enum secure_state {
    SECURE_HANDSHAKE,
    SECURE_OPEN,
    SECURE_ENDED, /* the session said close_notify */
    SECURE_FAILED
};

/* The words behind a step `tls`. */
struct secure_options {
    int version;                       /* TLS1_2_VERSION ..; 0: any */
    bool resume;                       /* offer the last session's ticket */
    bool must_resume;                  /* .. which must be taken */
    char sni[SECURE_NAME_MAX];         /* outside: said; inside: must be heard; "-": must be none */
    char certificate[SECURE_NAME_MAX]; /* shown; "": none outside, `inside` inside */
    char peer[SECURE_NAME_MAX];        /* the name that the session's certificate must have */
    char key[SECURE_NAME_MAX];         /* "EC" or "RSA": the kind that the outside can use alone */
};

struct secure;
struct secure_ticket; /* what can be resumed */

/* False: a word is not understood. */
bool secure_parse(struct slice words, bool as_server, struct secure_options *out);

/* `ticket`: where the session's last ticket is kept; may be replaced when this is freed. NULL: of no interest. */
struct secure *secure_new(bool as_server, const struct secure_options *options, const char *certificates,
                          struct secure_ticket **ticket);
struct secure *secure_new_broken(void); /* not able to do TLS: records are dropped, the rest is in the clear */
void secure_free(struct secure **s);
void secure_ticket_free(struct secure_ticket **ticket);

/* Octets from the network; how many of them were TLS. What follows is in the clear, where TLS should be. */
size_t secure_hear(struct secure *s, struct slice raw);
/* What is there for the application, and for the network; 0: no more. */
size_t secure_take_heard(struct secure *s, char *to, size_t room);
size_t secure_take_raw(struct secure *s, char *to, size_t room);
void secure_say(struct secure *s, struct slice text, size_t record_max); /* 0: no limit */
void secure_say_close(struct secure *s);                                 /* close_notify */

enum secure_state secure_state(const struct secure *s);
const char *secure_why(const struct secure *s); /* it failed */
bool secure_is_closed(const struct secure *s);  /* close_notify was said by us */
void secure_may_fail(struct secure *s);         /* the talk is at fault, or wants it */
bool secure_may_it_fail(const struct secure *s);
/* After the handshake: does it fit the options? NULL: yes. */
const char *secure_check(const struct secure *s);

#endif
