/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "workers/auth_options.h"
#include "workers/smtp/sasl.h"

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct auth_options, mode), "none", "none|may|require",
     "none: no AUTH. may: what inside offers of it is offered. require: nothing but that goes before AUTH succeeded, "
     "for ports 587 and 465; never on port 25."},
    {"plaintext", OPTION_FLAG, offsetof(struct auth_options, plaintext), "no", NULL,
     "Offer and take AUTH without TLS, too: passwords can then be read on the way."},
    {"mechanisms", OPTION_TEXTS, offsetof(struct auth_options, mechanisms),
     "PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2, OAUTHBEARER", NULL,
     "Those that may be used, of these seven, where inside offers them."},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};

static bool ends_with(struct slice text, const char *end)
{
    struct slice last = slice_of(end);
    if (text.size < last.size)
        return false;
    slice_drop(&text, text.size - last.size);
    return slice_equal_nocase(text, last);
}

/* Why a mechanism that there is elsewhere is none here. */
static const char *reason(struct slice name)
{
    if (slice_is_word(name, "EXTERNAL") || ends_with(name, "-PLUS"))
        return "it vouches for the client's TLS, which ends at this gate";
    if (slice_is_word(name, "ANONYMOUS"))
        return "it lets everybody in";
    return "it is not known here";
}

static bool check(struct config *config, const void *filled)
{
    const struct auth_options *options = filled;
    if (options->mechanisms.count == 0)
        return config_refuse(config, options, "mechanisms", "an empty list lets nobody in: say mode = none for that");
    for (size_t i = 0; i < options->mechanisms.count; i++) {
        const char *name = options->mechanisms.items[i];
        if (sasl_mechanism(slice_of(name)) == 0)
            return config_refuse(config, options, "mechanisms",
                                 "%s cannot be carried: %s; take some of PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, "
                                 "SCRAM-SHA-256, XOAUTH2, OAUTHBEARER",
                                 name, reason(slice_of(name)));
    }
    return true;
}

uint32_t auth_options_mechanisms(const struct auth_options *options)
{
    uint32_t mechanisms = 0;
    for (size_t i = 0; i < options->mechanisms.count; i++)
        mechanisms |= sasl_mechanism(slice_of(options->mechanisms.items[i]));
    return mechanisms;
}

const struct block auth_block = {
    .name = "auth",
    .meaning = "AUTH (RFC 4954) for submission: the inside server is asked, and decides. Not for the MX.",
    .size = sizeof(struct auth_options),
    .groups = groups,
    .check = check,
};
