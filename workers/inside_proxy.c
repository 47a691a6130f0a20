/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/must.h"

#include "workers/inside_proxy.h"

static const char NOT_EXPECTED[] =
    "inside does not understand the PROXY header; its service lacks smtpd_upstream_proxy_protocol=haproxy (Postfix), "
    "postscreen_upstream_proxy_protocol=haproxy (postscreen), hosts_proxy (Exim) or proxy-v2 (OpenSMTPD), or wants the "
    "other version";

bool inside_proxy_is_used(const struct inside *in)
{
    return backend_proxy_version(in->backend) != PROXY_NONE;
}

bool inside_proxy_may(struct inside *in, struct reply *reply_out)
{
    if (!inside_proxy_is_used(in) || in->who->client->kind == ENDPOINT_IP)
        return true;
    inside_not_passed(in, "the client came by a Unix socket, and PROXY passes on IP addresses only", "", reply_out);
    return false;
}

enum asked inside_proxy_say(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    if (!inside_proxy_is_used(in))
        return ASKED_ANSWERED;
    bool printed =
        proxy_header_print(&in->stream.out, backend_proxy_version(in->backend), in->who->client, in->who->local);
    must(printed);
    enum io io = stream_flush(&in->stream, inside_sooner(deadline_ms, in->backend->command_timeout_ms));
    if (io == IO_GONE) {
        inside_break_off(in);
        return ASKED_GONE;
    }
    if (io != IO_OK)
        return inside_lost(in, LEVEL_WARNING, "writing the PROXY header", io_name(io), reply_out);
    in->passed = true;
    return ASKED_ANSWERED;
}

/* -- was it understood? -- */

/* Only 421 is a goodbye that may come at any time: inside is tired of waiting for our EHLO. */
bool inside_proxy_is_quiet(struct inside *in, struct reply *reply_out)
{
    if (!inside_proxy_is_used(in) || in->state == INSIDE_CLOSED || stream_input(&in->stream) != INPUT_SOME)
        return true;
    struct slice unread = buffer_unread(&in->stream.in);
    if (unread.size == 0 && stream_fill(&in->stream, clock_ms()) == IO_OK)
        unread = buffer_unread(&in->stream.in);
    if (unread.size == 0 || (unread.size >= 3 && memcmp(unread.at, "421", 3) == 0))
        return true;
    inside_not_passed(in, NOT_EXPECTED, "it spoke before our EHLO", reply_out);
    return false;
}

static bool has_words(struct slice text, const char *words)
{
    for (; text.size > 0; slice_drop(&text, 1)) {
        if (slice_starts_nocase(text, words))
            return true;
    }
    return false;
}

/* What servers say to who spoke before 220, which is what a header is to who does not expect it; and what those say
 * that expect another one. In place of 220 a refusal of the client looks much the same, but has none of these words. */
/* clang-format off */
static const char *const COMPLAINTS[] = {
    "PROXY",                  /* an echo of the header */
    "Synchroni",              /* Exim; Postfix since 3.9 */
    "Protocol error",         /* postscreen, after its pregreet test */
    "Not accepting messages", /* Sendmail, greet_pause */
    "Server local error",     /* Postfix: 421, it expects another header */
    "No system resources",    /* postscreen: the same */
    "Before", "Too early", "Too soon", "Early talker", /* and all those that say it in words */
};
/* clang-format on */

static bool complains(const struct reply *reply)
{
    for (size_t i = 0; i < sizeof(COMPLAINTS) / sizeof(*COMPLAINTS); i++) {
        if (has_words(reply->text, COMPLAINTS[i]))
            return true;
    }
    return false;
}

static bool is_unknown_command(int code)
{
    return code == 500 || code == 502 || code == 503 || code == 504;
}

/* Who names it has heard of it; Sendmail's echo of an unknown command does that, too, and was found out before. */
static bool names_client(const struct inside *in, const struct reply *reply)
{
    char address[IPADDR_TEXT_MAX], text[IPADDR_TEXT_MAX + 2];
    ipaddr_print(&in->who->client->address, address);
    snprintf(text, sizeof(text), "[%s]", address);
    return has_words(reply->text, text);
}

bool inside_proxy_is_refusal(struct inside *in, struct reply *reply)
{
    char said[INSIDE_WORDS_MAX];
    bool refuses = reply_class(reply) >= 4 && !is_unknown_command(reply->code);
    if (refuses && (names_client(in, reply) || !complains(reply)))
        return true;
    inside_not_passed(in, NOT_EXPECTED, inside_words(reply, said), reply);
    return false;
}
