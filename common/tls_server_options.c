/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/tls_server.h"

/* clang-format off */
static const struct option tls_server_rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct tls_server_options, mode), "none", "none|may|require|implicit",
     "none: no TLS. may: STARTTLS is offered. require: no mail without it (not for the MX of a public domain, RFC 3207 "
     "section 4). implicit: TLS from the first octet, as on port 465."},
    {"certificate", OPTION_TEXTS, offsetof(struct tls_server_options, certificates), NULL, NULL,
     "Files with certificates, PEM, the host's own first, then its chain. Of several the one is shown that has the "
     "name that the client asks for, the first one where none has it; those with the same names and other kinds of key "
     "(ECDSA and RSA) go side by side. An OCSP response is taken from FILE.ocsp, where there is one."},
    {"key", OPTION_TEXTS, offsetof(struct tls_server_options, keys), NULL, NULL,
     "Their private keys, PEM, without passphrase, in the same order. Not set: each is in its certificate's file."},
    {"min_version", OPTION_CHOICE, offsetof(struct tls_server_options, min_version), "1.2", "1.2|1.3",
     "The oldest TLS version that is spoken."},
    {"ciphers", OPTION_TEXT, offsetof(struct tls_server_options, ciphers), NULL, NULL,
     "Ciphers of TLS 1.2, as openssl-ciphers(1) lists them; not set: those of OpenSSL. \"DEFAULT:@SECLEVEL=1\" takes "
     "clients in that are weaker than this host's OpenSSL likes."},
    {"ask_client_certificate", OPTION_FLAG, offsetof(struct tls_server_options, ask_client), "no", NULL,
     "Ask clients for a certificate. It is logged; nobody is refused for having none or another."},
    {"client_ca", OPTION_PATH, offsetof(struct tls_server_options, client_ca), NULL, NULL,
     "A file with the CAs that certificates of clients are verified by, PEM. Not set: none counts as verified."},
    {"require_from", OPTION_NETWORKS, offsetof(struct tls_server_options, require_from), NULL, NULL,
     "Clients that must use TLS although mode = may."},
    {"handshake_timeout", OPTION_TIME, offsetof(struct tls_server_options, handshake_timeout_ms), "30s", "1s..5m",
     "How long a handshake may take as a whole."},
    {0},
};
/* clang-format on */
static const struct option_group tls_server_groups[] = {{tls_server_rows, 0}, {NULL, 0}};

static bool are_paths(struct config *config, const void *filled, const char *option, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i][0] != '/')
            return config_refuse(config, filled, option, "%s is no absolute path: begin it with /", list->items[i]);
    }
    return true;
}

static bool check_files(struct config *config, const struct tls_server_options *options)
{
    size_t keys = options->keys.count, certificates = options->certificates.count;
    if (certificates > 0 && options->mode == TLS_MODE_NONE && !config_is_set(config, options, "mode"))
        return config_refuse(config, options, "certificate",
                             "would not be used, since mode is none where it is not set: say mode = may");
    if (options->mode != TLS_MODE_NONE && certificates == 0)
        return config_refuse(config, options, "mode", "needs a certificate: say certificate = /path/to/fullchain.pem");
    if (keys != 0 && keys != certificates)
        return config_refuse(config, options, "key",
                             "there are %zu keys for %zu certificates: name as many, in the same order, or none when "
                             "each is in its certificate's file",
                             keys, certificates);
    return are_paths(config, options, "certificate", &options->certificates) &&
           are_paths(config, options, "key", &options->keys);
}

static bool check_server(struct config *config, const void *filled)
{
    const struct tls_server_options *options = filled;
    if (!check_files(config, options))
        return false;
    if (options->require_from.count > 0 && options->mode != TLS_MODE_MAY)
        return config_refuse(config, filled, "require_from", "goes with mode = may only: take it out%s",
                             options->mode == TLS_MODE_NONE ? ", or set mode = may" : ", everybody must use TLS here");
    if (options->client_ca != NULL && !options->ask_client)
        return config_refuse(config, filled, "client_ca",
                             "clients are not asked for a certificate: say ask_client_certificate = yes");
    if (options->ciphers != NULL && options->min_version == TLS_VERSION_1_3)
        return config_refuse(config, filled, "ciphers",
                             "are those of TLS 1.2, which min_version excludes: take one out");
    return true;
}

const struct block tls_server_block = {
    .name = "tls",
    .meaning =
        "TLS towards clients: STARTTLS (RFC 3207), or implicit. A certificate that is replaced on disk is taken up "
        "by new sessions within seconds.",
    .size = sizeof(struct tls_server_options),
    .groups = tls_server_groups,
    .check = check_server,
};
