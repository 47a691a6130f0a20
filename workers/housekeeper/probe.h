/* SPDX-License-Identifier: ISC
 *
 * probe - one look at one inside server: connect, 220, EHLO, TLS as its backend has it, EHLO again, QUIT. Never MAIL,
 * and never XCLIENT: nobody is passed on. A header of PROXY, where sessions begin with one, speaks for the probe
 * itself.
 *
 * A small state machine, because nobody may wait for it: it asks its stream for what can be done now (STREAM_NOW). It
 * is over at its deadline at the latest, whatever the server does; replies have the limits of workers/smtp/reply. What
 * the server says is hostile until it was parsed, and goes nowhere but into `offers` (bits and numbers) and `why` (for
 * the log).
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_PROBE_H
#define POSTERN_WORKERS_HOUSEKEEPER_PROBE_H

#include "common/health.h"
#include "common/stream.h"
#include "common/tls_client.h"
#include "workers/backend.h"
#include "workers/smtp/extensions.h"

enum { PROBE_OUT_BYTES = 512, PROBE_WHY_MAX = TLS_WHY_MAX, PROBE_GOODBYE_MS = 1000 };

/* Whom to ask, and how. */
struct probe_target {
    const struct backend *backend;
    const struct server *server;
    struct tls_client *tls; /* NULL where the backend's mode is none */
    const char *hostname;   /* for EHLO */
};

enum probe_stage {
    PROBE_OVER, /* or not begun */
    PROBE_CONNECTING,
    PROBE_SECURING,
    PROBE_GREETING,
    PROBE_HELLO,
    PROBE_STARTTLS,
    PROBE_LEAVING, /* what there is to know is known */
    PROBE_STAGES
};

struct probe {
    const struct probe_target *target;
    enum probe_stage stage;
    bool said_helo; /* EHLO is not known there */
    bool dismissed; /* QUIT was answered */
    int64_t began_ms, deadline_ms;
    /* What was found; to be read when it is over. */
    enum health_trouble trouble;
    uint32_t took_ms; /* from connect to EHLO's answer, or to the trouble */
    struct extensions offers;
    char why[PROBE_WHY_MAX]; /* the trouble, in words: the server's, the system's or the TLS library's */
    struct tls *tls;         /* the stream's, from the handshake on */
    struct stream stream;
    struct reply_reader reader;
    char in[REPLY_LINE_MAX];
    char out[PROBE_OUT_BYTES];
};

/* `wait` must be without guests: it is never waited in. `target` is kept. */
void probe_begin(struct probe *probe, const struct probe_target *target, struct wait *wait, int64_t timeout_ms);
bool probe_is_over(const struct probe *probe);
struct pollfd probe_poll(const struct probe *probe); /* what it waits for; over: nothing */
/* When that has come, or the deadline. Harmless at any other time. */
void probe_step(struct probe *probe);
void probe_stop(struct probe *probe); /* at once, whatever it was doing */

#endif
