/* SPDX-License-Identifier: ISC
 *
 * proxy_header - the header of HAProxy's PROXY protocol, versions 1 (a line) and 2 (binary): who the client is, told by
 * who relays its connection before anything else is said (haproxy's doc/proxy-protocol.txt). Pure.
 *
 * Attack surface, and an identity hangs on it: one spelling only. What is not exactly a header is PROXY_BAD, as soon as
 * that can be seen; nothing is repaired. Octets behind the header are never looked at: TLS or the dialog owns them.
 */
#ifndef POSTERN_WORKERS_PROXY_HEADER_H
#define POSTERN_WORKERS_PROXY_HEADER_H

#include "common/buffer.h"
#include "common/net.h"

enum {
    PROXY_LINE_MAX = 107,    /* of version 1, with CRLF */
    PROXY_LENGTH_MAX = 2048, /* what version 2 says to come behind its first 16 octets */
    PROXY_HEADER_MAX = 16 + PROXY_LENGTH_MAX
};

enum proxy_kind {
    PROXY_CLIENT, /* who it is, and where it connected to */
    PROXY_LOCAL,  /* who relays speaks for itself: a health check */
    PROXY_UNKNOWN /* somebody's connection, but not whose */
};

struct proxy_header {
    enum proxy_kind kind;
    struct endpoint client, local; /* of PROXY_CLIENT; else ENDPOINT_NONE */
};

enum proxy_progress { PROXY_MORE, PROXY_DONE, PROXY_BAD };

/* Is a header at the front of `octets`? PROXY_DONE: *count_out octets of them are it. PROXY_MORE: at least *count_out
 * octets of it are still to come, so who reads no more than that reads nothing behind it. */
enum proxy_progress proxy_header_parse(struct slice octets, struct proxy_header *out, size_t *count_out);

enum proxy_version { PROXY_NONE, PROXY_V1, PROXY_V2 };

/* False: the client has no IP address, and nobody can be told of it; or no room. Where `local` has none of the client's
 * family, that family's zero address stands for it. */
bool proxy_header_print(struct buffer *to, enum proxy_version version, const struct endpoint *client,
                        const struct endpoint *local);
bool proxy_header_print_local(struct buffer *to); /* version 2 */

#endif
