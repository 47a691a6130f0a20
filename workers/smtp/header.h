/* SPDX-License-Identifier: ISC
 *
 * header - what the checks and the log want to know of a message's header section (RFC 5322 section 2.2), from the
 * runs that go inside. Pure, bounded, cut anywhere.
 *
 * The input is what body_next gives: lines still dot-stuffed. The section ends with an empty line, or with the first
 * line that is neither a field nor a continuation. Names that are empty or hold a DEL are a field's to some servers
 * inside, so they do not end it; nor do lines of a mailbox (">From ann Thu ..") on top: mail servers take them off, or
 * make fields of them. In the Message-ID what is not printable ASCII becomes '?': it is for the log.
 */
#ifndef POSTERN_WORKERS_SMTP_HEADER_H
#define POSTERN_WORKERS_SMTP_HEADER_H

#include "common/slice.h"

enum { HEADER_NAME_MAX = 64, MESSAGE_ID_MAX = 256 };

struct header {
    bool ended;
    unsigned received_count; /* Received: fields */
    /* Of the first Message-ID field, with <>, blanks dropped; "" when none or too long. */
    char message_id[MESSAGE_ID_MAX];
    /* private to header.c */
    enum { HEADER_LINE_START, HEADER_NAME, HEADER_NAME_BLANK, HEADER_VALUE, HEADER_CR } state;
    char name[HEADER_NAME_MAX];
    size_t name_size;
    size_t message_id_size;
    bool has_field, in_message_id;
};

/* What of the front of *run belongs to the header section, taken off it: all of it, until the section has ended. */
struct slice header_take(struct header *header, struct slice *run);

#endif
