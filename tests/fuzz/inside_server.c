/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/inside_server.h"

enum end { STAYS, ENDS, RESETS };

/* clang-format off */
static const struct answer {
    char how;
    const char *text; /* NULL: what a content server says */
    enum end end;
    bool is_plain;
} answers[] = {
    {'=', NULL, STAYS, true},
    {'a', "250 2.0.0 Ok\r\n", STAYS, true},
    {'b', "251 2.1.5 elsewhere\r\n", STAYS, true},
    {'c', "421 4.3.2 Bye\r\n", ENDS, false},
    {'d', "450 4.2.1 Busy\r\n", STAYS, true},
    {'e', "451 4.3.0 Trouble\r\n", STAYS, true},
    {'f', "452 4.3.1 Full\r\n", STAYS, true},
    {'g', "500 5.5.1 What?\r\n", STAYS, true},
    {'h', "502 5.5.1 No\r\n", STAYS, true},
    {'i', "504 5.5.4 No\r\n", STAYS, true},
    {'j', "550 5.1.1 Nobody\r\n", STAYS, true},
    {'k', "552 5.3.4 Big\r\n", STAYS, true},
    {'l', "554 5.7.1 Refused\r\n", STAYS, true},
    {'m', "220 inside.test\r\n", STAYS, true},
    {'n', "221 2.0.0 Bye\r\n", STAYS, true},
    {'o', "235 2.7.0 In\r\n", STAYS, true},
    {'p', "334 \r\n", STAYS, true},
    {'q', "334 UGFzc3dvcmQ6\r\n", STAYS, true},
    {'r', "354 Go on\r\n", STAYS, true},
    {'s', "200 Ok\r\n", STAYS, true},
    {'t', "250-2.0.0 One\r\n250 2.0.0 Two\r\n", STAYS, true},
    {'u', "250-One\r\n550 Two\r\n", STAYS, false},
    {'v', "garbage\r\n", STAYS, false},
    {'w', "", STAYS, false},
    {'x', "", ENDS, false},
    {'y', "", RESETS, false},
    {'z', NULL, ENDS, false},
    {'A', NULL, RESETS, false},
    {'B', "250 One\r\n250 Two\r\n", STAYS, false},
    {'C', "25", STAYS, false},
    {'D', "250 O", ENDS, false},
    {'E', "250 Ok\n", STAYS, true},
    {'F', "550-5.1.1 Nobody\r\n550-5.1.1 of that name\r\n550 5.1.1 is here\r\n", STAYS, true},
    {'G', "550 5.7.1 M\303\274ll\r\n", STAYS, true},
    {'H', "250 a\001b\tc\177\r\r\n", STAYS, true},
    {'I', "450\r\n", STAYS, true},
    {'J', "\r\n", STAYS, false},
    {'K', "699 No\r\n", STAYS, false},
    {'L', "334 not base64!\r\n", STAYS, false},
    {'M', "354 Go on\r\n250 At once\r\n", STAYS, false},
    {'N', "354 Go on\r\n550 At once\r\n", STAYS, false},
    {'O', "550 PROXY is unknown\r\n", STAYS, true},
};
/* clang-format on */

static const struct answer *find(char how)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].how == how)
            return &answers[i];
    return &answers[0];
}

bool inside_server_is_plain(char how)
{
    return find(how)->is_plain;
}

static int print_offers(char *text, size_t size, const struct inside_offers *no)
{
    return snprintf(text, size,
                    "250-inside.test\r\n%s%s%s%s%s%s%s%s"
                    "%s250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n",
                    no->no_pipelining ? "" : "250-PIPELINING\r\n", no->no_chunking ? "" : "250-CHUNKING\r\n",
                    no->no_smtputf8 ? "" : "250-SMTPUTF8\r\n", no->no_8bitmime ? "" : "250-8BITMIME\r\n",
                    no->no_binarymime ? "" : "250-BINARYMIME\r\n",
                    no->no_xclient ? "" : "250-XCLIENT NAME ADDR PORT LOGIN PROTO HELO DESTADDR DESTPORT\r\n",
                    no->no_auth ? "" : "250-AUTH PLAIN LOGIN CRAM-MD5\r\n",
                    no->small ? "250-SIZE 300\r\n" : "250-SIZE 10000000\r\n",
                    no->xforward ? "250-XFORWARD NAME ADDR IDENT\r\n" : "");
}

static const char *content(enum said said)
{
    switch ((int)said) {
    case SAID_CONNECT:
    case SAID_XCLIENT:
        return "220 inside.test ESMTP\r\n";
    case SAID_DATA:
        return "354 Go on\r\n";
    case SAID_QUIT:
        return "221 2.0.0 Bye\r\n";
    case SAID_AUTH:
        return "235 2.7.0 In\r\n";
    case SAID_ANSWER:
        return "235 2.7.0 In\r\n";
    case SAID_END:
        return "250 2.0.0 Ok: queued as 4711\r\n";
    default:
        return "250 2.0.0 Ok\r\n";
    }
}

bool inside_server_answer(struct witness_inside *in, struct wire *wire, const struct inside_offers *offers, char how)
{
    const struct answer *answer = find(how);
    char text[1024];
    const char *say = answer->text;
    in->answered = true;
    if (say == NULL && in->pending == SAID_EHLO) {
        print_offers(text, sizeof text, offers);
        say = text;
    } else if (say == NULL)
        say = content(in->pending);
    wire_send(wire, slice_of(say));
    if (answer->end == ENDS)
        wire_end(wire);
    if (answer->end == RESETS)
        wire_reset(wire);
    return *say != '\0' || answer->end != STAYS;
}
