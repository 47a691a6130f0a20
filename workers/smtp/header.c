/* SPDX-License-Identifier: ISC */
#include "workers/smtp/header.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_printable(char c)
{
    return c > ' ' && c < 0x7F;
}

static void begin_value(struct header *header)
{
    struct slice name = slice_make(header->name, header->name_size);
    header->state = HEADER_VALUE;
    header->has_field = true;
    if (slice_is_word(name, "Received"))
        header->received_count++;
    /* The first one only: `message_id_size` is not 0 for one that is too long. */
    header->in_message_id = slice_is_word(name, "Message-ID") && header->message_id_size == 0;
}

static void feed_name(struct header *header, char c)
{
    header->state = HEADER_NAME;
    if (c == ':' && header->name_size > 0)
        begin_value(header);
    else if (is_blank(c))
        header->state = HEADER_NAME_BLANK; /* "Received : ..", as RFC 822 had it */
    else if (!is_printable(c) || c == ':')
        header->ended = true;
    else if (header->name_size < HEADER_NAME_MAX)
        header->name[header->name_size++] = c; /* a longer name is none that we know, cut or whole */
}

static void feed_line_start(struct header *header, char c)
{
    if (is_blank(c)) {
        header->state = HEADER_VALUE;
        header->ended = !header->has_field; /* nothing is continued */
        return;
    }
    header->in_message_id = false;
    header->name_size = 0;
    if (c == '\r')
        header->state = HEADER_CR;
    else
        feed_name(header, c);
}

static void keep_message_id(struct header *header, char c)
{
    if (is_blank(c) || c == '\r')
        return;
    if (header->message_id_size < MESSAGE_ID_MAX - 1)
        header->message_id[header->message_id_size++] = is_printable(c) ? c : '?';
    else
        header->message_id[0] = '\0';
}

static void feed_octet(struct header *header, char c)
{
    switch (header->state) {
    case HEADER_LINE_START:
        feed_line_start(header, c);
        break;
    case HEADER_NAME:
        feed_name(header, c);
        break;
    case HEADER_NAME_BLANK:
        if (c == ':')
            begin_value(header);
        else
            header->ended = !is_blank(c);
        break;
    case HEADER_VALUE:
        if (c == '\n')
            header->state = HEADER_LINE_START;
        else if (header->in_message_id)
            keep_message_id(header, c);
        break;
    case HEADER_CR:
        header->ended = true;
        break;
    }
}

bool header_feed(struct header *header, struct slice run)
{
    while (!header->ended && run.size > 0) {
        if (header->state == HEADER_VALUE && !header->in_message_id) {
            /* Values are most of a header: to their line's end at once. */
            const char *end = memchr(run.at, '\n', run.size);
            slice_drop(&run, end ? (size_t)(end - run.at) : run.size);
        }
        if (run.size > 0)
            feed_octet(header, *run.at);
        slice_drop(&run, 1);
    }
    return header->ended;
}
