/* SPDX-License-Identifier: ISC
 *
 * hostile - a worker that runs an attacker's code, in a posternd of the tests' own.
 *
 * The linker gives it worker_main's place (--wrap). It enters the scoreboard as any worker does, and then writes to all
 * that it can write to, round after round: zeros, ones, noise and what looks true, in every shared mapping, those of
 * its neighbours' pages too; octets into every pipe; flags, backlog, shutdown and accept on listeners that it shares.
 * Now and then it dies, in one of the ways there are. What it never touches is what the test listens to: the log, and
 * the tally below.
 *
 * Those do not enter the sandbox, which would end them at once: they show what holds without it. That it holds is shown
 * by workers that enter it and then try what is forbidden (hostile_sandbox.c), a deed for each.
 *
 * The tally is a file that HOSTILE_TALLY names, written by all of them; without it, or once all rounds are done,
 * whoever is forked is the real worker.
 */
#ifndef TESTS_FAULT_HOSTILE_H
#define TESTS_FAULT_HOSTILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As tests/fault/machine_hostile.py reads and writes it: words of 64 bits. */
struct tally {
    _Atomic uint64_t wanted;   /* rounds; 0: be the real worker */
    _Atomic uint64_t done;     /* .. so far */
    _Atomic uint64_t births;   /* of hostile workers */
    _Atomic uint64_t life_ms;  /* about how long each lives; 0: it dies at once */
    _Atomic uint64_t ending;   /* enum ending; ENDING_ANY: by chance */
    _Atomic uint64_t octets;   /* scribbled */
    _Atomic uint64_t piped;    /* octets written into pipes */
    _Atomic uint64_t accepted; /* connections stolen */
    _Atomic uint64_t shut;     /* listeners */
    _Atomic uint64_t breaches; /* what no worker may be able to do was done */
    _Atomic uint64_t deed;     /* which one the next session tries in the sandbox, from 1 on; 0: none */
    _Atomic uint64_t deeds;    /* how many there are */
};

enum ending { ENDING_ANY, ENDING_STATUS, ENDING_SIGNAL, ENDING_RETIRED };

/* What the scribbling and the mischief share. */
struct hostile {
    struct tally *tally;
    uint64_t random; /* never 0 */
    int slot;
    int slot_count;
};

static inline uint64_t hostile_noise(struct hostile *h) /* xorshift */
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random;
}

static inline uint64_t hostile_random(struct hostile *h, uint64_t below)
{
    return hostile_noise(h) % below;
}

/* All shared mappings that are writable are found once, at the beginning; the slots' pages are made reachable. */
void scribble_prepare(struct hostile *h);
void scribble_round(struct hostile *h);
void scribble_lie(struct hostile *h); /* its own page says that it has served, and serves */

void mischief_round(struct hostile *h); /* with the descriptors that it has */

/* The real worker, which sets itself up and enters its sandbox, then tries a deed in the place of a session. */
void sandbox_prepare(struct tally *tally);

#endif
