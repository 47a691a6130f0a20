/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/tls_client.h"

/* clang-format off */
static const struct option tls_client_rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct tls_client_options, mode), "none", "none|may|require|implicit",
     "none: no TLS. may: STARTTLS where the server offers it; mail goes in the clear where it does not. require: a "
     "server without it gets no mail. implicit: TLS from the first octet."},
    {"verify", OPTION_CHOICE, offsetof(struct tls_client_options, verify), "none", "none|ca|name|pin",
     "Which certificates are taken. none: any. ca: those that a CA signed, whatever their names. name: those with the "
     "server's tls_name in them, too. pin: those with one of these keys, whatever names and dates they have. What is "
     "not taken counts as a server that failed, with mode = may as well."},
    {"ca", OPTION_PATH, offsetof(struct tls_client_options, ca), NULL, NULL,
     "A file with the CAs, PEM. Not set: those of this host."},
    {"pin", OPTION_TEXTS, offsetof(struct tls_client_options, pins), NULL, NULL,
     "SHA-256 of public keys (SubjectPublicKeyInfo) in hex, as in DANE's TLSA 3 1 1. More than one while a key "
     "changes."},
    {"handshake_timeout", OPTION_TIME, offsetof(struct tls_client_options, handshake_timeout_ms), "30s", "1s..5m",
     "How long a handshake may take as a whole; then the next server is tried."},
    {0},
};
/* clang-format on */
static const struct option_group tls_client_groups[] = {{tls_client_rows, 0}, {NULL, 0}};

static bool check_pins(struct config *config, const struct tls_client_options *options)
{
    if (options->verify == TLS_VERIFY_PIN && options->pins.count == 0)
        return config_refuse(config, options, "verify",
                             "pin needs at least one: say pin = SHA-256 of the server's key");
    if (options->verify != TLS_VERIFY_PIN && options->pins.count > 0)
        return config_refuse(config, options, "pin", "goes with verify = pin only: say so, or take it out");
    for (size_t i = 0; i < options->pins.count; i++) {
        if (!tls_client_is_pin(options->pins.items[i]))
            return config_refuse(config, options, "pin",
                                 "%s is no SHA-256: 64 hex digits, colons between them as you like",
                                 options->pins.items[i]);
    }
    return true;
}

static bool check_client(struct config *config, const void *filled)
{
    const struct tls_client_options *options = filled;
    if (options->verify != TLS_VERIFY_NONE && options->mode == TLS_MODE_NONE && !config_is_set(config, filled, "mode"))
        return config_refuse(config, filled, "verify",
                             "nothing would be verified, since mode is none where it is not set: say mode = require");
    if (options->ca != NULL && options->verify != TLS_VERIFY_CA && options->verify != TLS_VERIFY_NAME)
        return config_refuse(config, filled, "ca", "goes with verify = ca and name only: say so, or take it out");
    return check_pins(config, options);
}

const struct block tls_client_block = {
    .name = "tls",
    .meaning = "TLS towards the servers of the backend.",
    .size = sizeof(struct tls_client_options),
    .groups = tls_client_groups,
    .check = check_client,
};
