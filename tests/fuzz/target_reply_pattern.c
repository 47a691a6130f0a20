/* SPDX-License-Identifier: ISC
 *
 * Which answers of a DNS list count: the first four octets of the input are an address, the rest a pattern. It is one
 * where a regular expression says so, its numbers fit an octet and its ranges go up; what it holds is counted out octet
 * by octet.
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "workers/lists/reply_pattern.h"

#define RANGE   "[0-9]+(\\.\\.[0-9]+)?"
#define OCTET   "([0-9]+|\\[" RANGE "(;" RANGE ")*\\])"
#define PATTERN "^" OCTET "\\." OCTET "\\." OCTET "\\." OCTET "$"

enum { OCTETS = 4, TEXT_MAX = 200 };

static bool looks_like_one(const char *text)
{
    static regex_t compiled;
    static bool is_there;
    if (!is_there)
        is_there = regcomp(&compiled, PATTERN, REG_EXTENDED | REG_NOSUB) == 0;
    law(is_there, "the oracle's expression");
    return regexec(&compiled, text, 0, NULL, 0) == 0;
}

/* Of text that looks like one: each octet's numbers, one range after the other. */
static bool is_one(const char *text, bool held[OCTETS][256])
{
    memset(held, 0, OCTETS * sizeof(held[0]));
    for (int i = 0; *text != '\0'; i++) {
        bool is_list = *text == '[', more;
        text += is_list;
        do {
            char *end;
            unsigned long low = strtoul(text, &end, 10), high = low;
            if (is_list && strncmp(end, "..", 2) == 0)
                high = strtoul(end + 2, &end, 10);
            if (low > high || high > 255)
                return false;
            for (unsigned long n = low; n <= high; n++)
                held[i][n] = true;
            more = is_list && *end == ';';
            text = end + more;
        } while (more);
        text += *text == ']';
        text += *text == '.';
    }
    return true;
}

FUZZ
{
    bool held[OCTETS][256];
    struct ipaddr address = {.family = 4};
    char text[TEXT_MAX];
    if (input.size < OCTETS || input.size - OCTETS >= sizeof(text))
        return;
    memcpy(address.bytes, input.at, OCTETS);
    slice_drop(&input, OCTETS);
    memcpy(text, input.at, input.size);
    text[input.size] = '\0';
    bool is_pattern = strlen(text) == input.size && looks_like_one(text) && is_one(text, held), holds = is_pattern;
    for (int i = 0; is_pattern && i < OCTETS; i++)
        holds = holds && held[i][address.bytes[i]];
    law(reply_pattern_is_valid(input) == is_pattern, "%s is%s a pattern", text, is_pattern ? "" : " not");
    law(reply_pattern_holds(input, &address) == holds, "%s holds%s", text, holds ? "" : " not");
}
