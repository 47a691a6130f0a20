/* SPDX-License-Identifier: ISC
 *
 * wire - the network of a fuzzed session: sockets that are pieces of memory, and a clock that stands still.
 *
 * Takes common/clock's place, and that of the few calls on sockets in common/stream (the linker's --wrap; see the
 * Makefile). So there is no system call, every read and write is seen at the moment it happens, and the same input does
 * the same each time. When the session would have to wait, the pump is called: it delivers something or moves the time.
 * The sockets behave as TCP's do: a reset throws away what is unread, a FIN does not keep the other side from writing.
 */
#ifndef POSTERN_TESTS_FUZZ_WIRE_H
#define POSTERN_TESTS_FUZZ_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum { WIRES_MAX = 16, WIRE_BYTES = 32768 };

struct wire;

/* Who sits at the other end. All are called in the middle of the session's own call. */
struct wire_owner {
    void (*takes)(struct wire *wire, struct slice octets); /* the session reads these now */
    void (*wrote)(struct wire *wire, struct slice octets);
    void (*saw_end)(struct wire *wire); /* a read or a look told it of FIN or reset */
    void (*closed)(struct wire *wire);
    void (*in_vain)(struct wire *wire); /* it was waited for until the deadline */
};

struct wire {
    const struct wire_owner *owner;
    void *context; /* the owner's */
    bool is_open;  /* on the session's side */
    char unread[WIRE_BYTES];
    size_t begin, end;
    bool fin, reset; /* from our side */
    size_t room;     /* octets that may be written before a write blocks */
    bool is_shut;    /* the session said FIN */
    bool resets;     /* its close is a reset */
};

void wire_begin(void (*pump)(int64_t deadline_ms)); /* all closed, the time is where it starts */
struct wire *wire_open(const struct wire_owner *owner, void *context);
int wire_fd(const struct wire *wire); /* the session's end */
int wire_open_count(void);

/* Octets that do not fit are dropped. */
void wire_send(struct wire *wire, struct slice octets);
void wire_end(struct wire *wire);
void wire_reset(struct wire *wire);
size_t wire_unread(const struct wire *wire);

void wire_move_time(int64_t to_ms); /* never backwards */
int64_t wire_now(void);
bool wire_time_has_passed(void);

#endif
