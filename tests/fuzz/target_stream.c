/* SPDX-License-Identifier: ISC
 *
 * Lines off a socket: the same ones as a simple splitter finds, however the octets come; one over its limit is thrown
 * away to its end and said to be too long; what is unread at the end is there.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "tests/fuzz/wire.h"

#include "common/stream.h"

static struct {
    struct wire *wire;
    struct slice rest;
    size_t piece;
} sender;

static void nothing(struct wire *wire)
{
    (void)wire;
}

static void takes(struct wire *wire, struct slice octets)
{
    (void)wire;
    (void)octets;
}

static const struct wire_owner owner = {takes, takes, nothing, nothing, nothing};

static void send_more(int64_t deadline_ms)
{
    (void)deadline_ms;
    if (sender.rest.size > 0)
        wire_send(sender.wire, law_take(&sender.rest, sender.piece));
    else
        wire_end(sender.wire);
}

static void check_line(struct slice *all, size_t limit, enum io io, struct slice line)
{
    const char *lf = memchr(all->at, '\n', all->size);
    law(lf != NULL, "a line without end");
    struct slice expected = law_take(all, (size_t)(lf - all->at) + 1);
    if (expected.size <= limit) {
        law(io == IO_OK && law_same(line, expected), "another line: %.*s", SLICE_ARGS(line));
        return;
    }
    law(io == IO_TOO_LONG, "a line of %zu octets, the limit is %zu", expected.size, limit);
    struct slice tail = slice_make(expected.at + expected.size - line.size, line.size);
    law(line.size >= 1 && line.size <= 2 && law_same(line, tail), "the end of a long line is another");
}

FUZZ
{
    static char in[512], out[512];
    struct wait wait = {0};
    struct stream stream;
    size_t limit = law_take_octet(&input) * 2u + 1u;
    sender.piece = law_take_octet(&input) + 1u;
    wire_begin(send_more);
    sender.wire = wire_open(&owner, NULL);
    sender.rest = input;
    stream_init(&stream, &wait, in, sizeof in, out, sizeof out);
    stream_open(&stream, wire_fd(sender.wire));
    for (;;) {
        struct slice line;
        enum io io = stream_read_line(&stream, limit, INT64_MAX, &line);
        if (io != IO_OK && io != IO_TOO_LONG) {
            law(io == IO_END, "%s", io_name(io));
            break;
        }
        check_line(&input, limit, io, line);
    }
    law(memchr(input.at, '\n', input.size) == NULL, "a line is missing");
    struct slice left = buffer_unread(&stream.in);
    law(left.size <= input.size && memcmp(left.at, input.at + input.size - left.size, left.size) == 0, "another rest");
    stream_close(&stream);
    law(wire_open_count() == 0, "it is still open");
}
