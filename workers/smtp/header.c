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
    if (c == ':')
        begin_value(header);
    else if (is_blank(c))
        header->state = HEADER_NAME_BLANK; /* "Received : ..", as RFC 822 had it */
    else if (c <= ' ')                     /* and what has its eighth bit set */
        header->ended = true;
    else if (header->name_size < HEADER_NAME_MAX)
        header->name[header->name_size++] = c; /* a longer name is none that we know, cut or whole */
}

/* The first line of a message in a mailbox, on top of it, and it may have been there before. */
static bool is_of_mailbox(const struct header *header)
{
    struct slice name = slice_make(header->name, header->name_size);
    while (name.size > 0 && *name.at == '>')
        slice_drop(&name, 1);
    return !header->has_field && slice_equal(name, slice_of("From"));
}

static void feed_name_blank(struct header *header, char c)
{
    if (c == ':')
        begin_value(header);
    else if (!is_blank(c) && is_of_mailbox(header))
        header->state = HEADER_VALUE;
    else
        header->ended = !is_blank(c);
}

static void feed_line_start(struct header *header, char c)
{
    if (is_blank(c) && header->has_field) {
        header->state = HEADER_VALUE;
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
        feed_name_blank(header, c);
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

struct slice header_take(struct header *header, struct slice *run)
{
    struct slice section = *run, rest = *run;
    while (!header->ended && rest.size > 0) {
        if (header->state == HEADER_VALUE && !header->in_message_id) {
            /* Values are most of a header: to their line's end at once. */
            const char *end = memchr(rest.at, '\n', rest.size);
            slice_drop(&rest, end ? (size_t)(end - rest.at) : rest.size);
        }
        if (rest.size > 0)
            feed_octet(header, *rest.at);
        slice_drop(&rest, !header->ended);
    }
    section.size -= rest.size;
    *run = rest;
    return section;
}
