/* SPDX-License-Identifier: ISC
 *
 * What XCLIENT and XFORWARD say of a client. Each value that is taken has no control character and is within bounds;
 * printed and parsed again it is the same; a refused line changes nothing, and only what is allowed is taken.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "workers/smtp/attributes.h"

static void check_values(const struct attributes *parsed, uint32_t allowed)
{
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        const struct attribute_value *value = &parsed->values[i];
        law((allowed & attribute_rows[i].bit) != 0 || value->state == ATTRIBUTE_NOT_SAID, "taken, but not allowed");
        law(memchr(value->text, '\0', sizeof value->text) != NULL, "a value without end");
        law(law_is_clean(slice_of(value->text)), "a control character in a value");
        law((value->text[0] == '\0') || value->state == ATTRIBUTE_KNOWN, "a value that is not known");
    }
}

static struct slice print(const struct attributes *parsed, struct buffer *to)
{
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (parsed->values[i].state != ATTRIBUTE_NOT_SAID)
            law(attributes_print(to, (enum attribute)attribute_rows[i].bit, &parsed->values[i]), "it does not fit");
    return buffer_unread(to);
}

FUZZ
{
    static char memory[16384];
    struct attributes parsed = {0}, again = {0}, before;
    struct slice culprit = {0};
    struct buffer to;
    uint32_t allowed = law_take_octet(&input) * 8u | 7u;
    memset(&parsed, 0, sizeof parsed);
    before = parsed;
    if (attributes_parse(input, allowed, &parsed, &culprit) != ATTRIBUTE_FINE) {
        law(memcmp(&before, &parsed, sizeof parsed) == 0, "a refused line changes something");
        return;
    }
    check_values(&parsed, allowed);
    buffer_init(&to, memory, sizeof memory);
    struct slice text = print(&parsed, &to);
    law(law_is_clean(text), "a control character in a line inside");
    if (text.size == 0)
        return;
    law(attributes_parse(text, allowed, &again, &culprit) == ATTRIBUTE_FINE, "refused when printed: %.*s",
        SLICE_ARGS(text));
    for (size_t i = 0; i < ATTRIBUTES; i++)
        law(again.values[i].state == parsed.values[i].state && strcmp(again.values[i].text, parsed.values[i].text) == 0,
            "another value: %.*s", SLICE_ARGS(text));
    struct ipaddr address;
    uint16_t port;
    attributes_address(&parsed, ATTRIBUTE_ADDR, &address);
    attributes_port(&parsed, ATTRIBUTE_PORT, &port);
}
