/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/sender.h"

enum { QUIT_PATIENCE_US = 5000000, LINE_BYTES = 70 };

/* 127.128.0.0/9, a network (/24) for each. */
static const uint32_t ADDRESS_FIRST = 0x7f800101u, ADDRESS_STEP = 0x100u;

static const char HEAD[] =
    "From: <ann@mail.example>\r\nTo: <bob@example.com>\r\nSubject: minutes of the meeting\r\n\r\n";
static const char TAIL[] = ".\r\n";

enum step { STEP_BANNER, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_MESSAGE, STEP_QUIT, STEP_PAUSE, STEP_DONE };
static const struct {
    const char *octets;
    char expected;
} STEPS[] = {
    [STEP_BANNER] = {NULL, '2'},
    [STEP_EHLO] = {"EHLO mail.example\r\n", '2'},
    [STEP_MAIL] = {"MAIL FROM:<legit@mail.example>\r\n", '2'},
    [STEP_RCPT] = {"RCPT TO:<bob@example.com>\r\n", '2'},
    [STEP_DATA] = {"DATA\r\n", '3'},
    [STEP_MESSAGE] = {NULL, '2'},
    [STEP_QUIT] = {"QUIT\r\n", '2'},
};

struct sender {
    struct talker talker; /* first */
    struct senders *all;
    uint32_t address;
    enum step step;
    long sent, delivered;
    int64_t connected_us, first_attempt_us, first_delivered_us; /* 0: not yet */
    int64_t last_delivered_us;
};

/* -- times */

static void note(struct times *t, double ms)
{
    if (t->count == t->room) {
        t->room = t->room == 0 ? 4096 : 2 * t->room;
        t->ms = realloc(t->ms, t->room * sizeof *t->ms);
        if (t->ms == NULL) {
            perror("swarm");
            exit(1);
        }
    }
    t->ms[t->count++] = ms;
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

double times_percentile(struct times *t, int percent)
{
    if (t->count == 0)
        return 0;
    qsort(t->ms, t->count, sizeof *t->ms, compare);
    size_t at = t->count * (size_t)percent / 100;
    return t->ms[at < t->count ? at : t->count - 1];
}

static double since_ms(int64_t us)
{
    return (double)(now_us() - us) / 1000;
}

/* -- one sender */

static void take(struct sender *s, enum step step)
{
    s->step = step;
    if (step == STEP_MESSAGE)
        talker_say(&s->talker, s->all->message, strlen(s->all->message));
    else
        talker_say(&s->talker, STEPS[step].octets, strlen(STEPS[step].octets));
}

static void pause_now(struct sender *s)
{
    talker_end(&s->talker);
    if (s->all->messages > 0 && s->sent == s->all->messages) {
        s->step = STEP_DONE;
        s->all->done++;
        return;
    }
    s->step = STEP_PAUSE;
    talker_ring_at(&s->talker, now_us() + s->all->pause_us);
}

static void fail(struct sender *s, long *why)
{
    ++*why;
    pause_now(s);
}

static const struct kind KIND;

static void attempt(struct sender *s)
{
    s->sent++;
    s->step = STEP_BANNER;
    s->connected_us = now_us();
    if (s->first_attempt_us == 0)
        s->first_attempt_us = s->connected_us;
    if (talker_begin(&s->talker, &KIND, s->all->room, s->address))
        talker_ring_at(&s->talker, s->connected_us + s->all->patience_us);
    else
        fail(s, &s->all->dropped);
}

static void be_delivered(struct sender *s)
{
    note(&s->all->delivery, since_ms(s->connected_us));
    if (s->first_delivered_us == 0)
        s->first_delivered_us = now_us();
    s->last_delivered_us = now_us();
    s->delivered++;
    s->all->delivered++;
    talker_ring_at(&s->talker, now_us() + QUIT_PATIENCE_US);
}

static void hear(struct talker *t, int code)
{
    struct sender *s = (struct sender *)t;
    if (s->step == STEP_QUIT) {
        pause_now(s);
        return;
    }
    if (code / 100 != STEPS[s->step].expected - '0') {
        fail(s, &s->all->refused);
        return;
    }
    if (s->step == STEP_BANNER)
        note(&s->all->banner, since_ms(s->connected_us));
    else if (s->step == STEP_MESSAGE)
        be_delivered(s);
    take(s, s->step + 1);
}

static void be_lost(struct talker *t)
{
    struct sender *s = (struct sender *)t;
    if (s->step == STEP_QUIT)
        pause_now(s);
    else
        fail(s, &s->all->dropped);
}

static void be_rung(struct talker *t)
{
    struct sender *s = (struct sender *)t;
    if (s->step == STEP_PAUSE)
        attempt(s);
    else if (s->step == STEP_QUIT)
        pause_now(s);
    else
        fail(s, &s->all->gave_up);
}

static void be_connected(struct talker *t)
{
    (void)t;
}

static const struct kind KIND = {be_connected, hear, be_lost, be_rung};

/* -- all of them */

static const char *make_message(size_t size)
{
    size_t head = sizeof HEAD - 1, tail = sizeof TAIL - 1;
    if (size < head + 2)
        size = head + 2;
    char *message = malloc(size + tail + 1);
    if (message == NULL)
        return NULL;
    memset(message, 'x', size);
    memcpy(message, HEAD, head);
    for (size_t at = head + LINE_BYTES; at + 2 < size; at += LINE_BYTES)
        memcpy(message + at - 2, "\r\n", 2);
    memcpy(message + size - 2, "\r\n", 2);
    memcpy(message + size, TAIL, tail + 1);
    return message;
}

/* They begin one after the other, within a pause. */
void senders_begin(struct senders *s, struct room *room, size_t size)
{
    s->room = room;
    s->message = make_message(size);
    s->each = calloc((size_t)s->count + 1, sizeof *s->each);
    if (s->message == NULL || s->each == NULL) {
        perror("swarm");
        exit(1);
    }
    for (int i = 0; i < s->count; i++) {
        struct sender *one = &s->each[i];
        one->all = s;
        one->address = ADDRESS_FIRST + ADDRESS_STEP * (uint32_t)i;
        one->step = STEP_PAUSE;
        one->talker.fd = -1;
        one->talker.room = room;
        one->talker.kind = &KIND;
        talker_ring_at(&one->talker, now_us() + s->pause_us * i / s->count);
    }
}

/* Messages a second from the first one's delivery on: whole rounds, and the wait of the one that is not done. */
static double rate_from_second(const struct sender *s)
{
    int64_t until_us = s->step < STEP_QUIT || s->delivered == 1 ? now_us() : s->last_delivered_us;
    if (s->first_delivered_us == 0 || until_us == s->first_delivered_us)
        return 0;
    return (double)(s->delivered - 1) * 1e6 / (double)(until_us - s->first_delivered_us);
}

static void look_at(struct sender *s, struct senders_found *found)
{
    int64_t now = now_us();
    if (s->step < STEP_QUIT) {
        found->unfinished++;
        note(&s->all->delivery, since_ms(s->connected_us));
        if (s->step == STEP_BANNER)
            note(&s->all->banner, since_ms(s->connected_us));
    }
    found->never += s->first_delivered_us == 0;
    if (s->first_attempt_us != 0) {
        int64_t first_us = (s->first_delivered_us != 0 ? s->first_delivered_us : now) - s->first_attempt_us;
        if ((double)first_us / 1000 > found->first_ms)
            found->first_ms = (double)first_us / 1000;
    }
    found->rate_from_second += rate_from_second(s);
    talker_end(&s->talker);
}

struct senders_found senders_end(struct senders *s)
{
    struct senders_found found = {0};
    for (int i = 0; i < s->count; i++)
        look_at(&s->each[i], &found);
    for (size_t i = 0; i < s->delivery.count; i++)
        if (s->delivery.ms[i] > found.delivery_ms)
            found.delivery_ms = s->delivery.ms[i];
    return found;
}
