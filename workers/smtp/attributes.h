/* SPDX-License-Identifier: ISC
 *
 * attributes - what XCLIENT and XFORWARD say of a client: parsed, decoded, checked (Postfix's XCLIENT_README and
 * XFORWARD_README). Pure.
 *
 * Each value is held to what its name stands for, so that it may be used and said again; what is not xtext, doubled or
 * too long is refused. [UNAVAILABLE] and [TEMPUNAVAIL] are no values: what they say is kept beside.
 */
#ifndef POSTERN_WORKERS_SMTP_ATTRIBUTES_H
#define POSTERN_WORKERS_SMTP_ATTRIBUTES_H

#include "common/buffer.h"
#include "common/ipaddr.h"
#include "common/keyword.h"

enum attribute {
    ATTRIBUTE_NAME = 1 << 0,
    ATTRIBUTE_ADDR = 1 << 1,
    ATTRIBUTE_PORT = 1 << 2,
    ATTRIBUTE_PROTO = 1 << 3,
    ATTRIBUTE_HELO = 1 << 4,
    ATTRIBUTE_LOGIN = 1 << 5,
    ATTRIBUTE_DESTADDR = 1 << 6,
    ATTRIBUTE_DESTPORT = 1 << 7,
    ATTRIBUTE_REVERSE_NAME = 1 << 8,
    ATTRIBUTE_IDENT = 1 << 9,
    ATTRIBUTE_SOURCE = 1 << 10
};
enum { ATTRIBUTES = 11 };
extern const struct keyword_row attribute_rows[ATTRIBUTES];
uint32_t attribute_of(struct slice name); /* its bit, in any case of letters; 0: not known */

enum { ATTRIBUTE_VALUE_MAX = 255 };

/* What is known of one of them. */
enum attribute_state { ATTRIBUTE_NOT_SAID, ATTRIBUTE_UNAVAILABLE, ATTRIBUTE_TEMPUNAVAIL, ATTRIBUTE_KNOWN };

/* Zero: nothing was said. */
struct attributes {
    struct attribute_value {
        enum attribute_state state;
        char text[ATTRIBUTE_VALUE_MAX + 1]; /* decoded, NUL-terminated; "" when not known */
    } values[ATTRIBUTES];                   /* as in attribute_rows */
};

enum attribute_fault { ATTRIBUTE_FINE, ATTRIBUTE_MISSING, ATTRIBUTE_BAD_NAME, ATTRIBUTE_DOUBLED, ATTRIBUTE_BAD_VALUE };

/* "NAME=a.example ADDR=192.0.2.1": over what is in *into already. `allowed`: enum attribute. On a fault *into is as it
 * was, and *culprit_out the word to blame. */
enum attribute_fault attributes_parse(struct slice text, uint32_t allowed, struct attributes *into,
                                      struct slice *culprit_out);
const struct attribute_value *attributes_get(const struct attributes *attributes, enum attribute which);
/* ADDR and PORT, DESTADDR and DESTPORT, as numbers. False: not known. */
bool attributes_address(const struct attributes *attributes, enum attribute which, struct ipaddr *out);
bool attributes_port(const struct attributes *attributes, enum attribute which, uint16_t *out);

/* " NAME=value" in xtext; "[UNAVAILABLE]" and the like as they are. False when it does not fit. */
bool attributes_print(struct buffer *to, enum attribute which, const struct attribute_value *value);

#endif
