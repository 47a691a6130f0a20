/* SPDX-License-Identifier: ISC
 *
 * tls - one connection's TLS (OpenSSL), below stream.h, which owns it and is the only one to call the I/O here.
 *
 * Never blocks: each operation says whether it is done or which way the socket must become ready. A close_notify, and a
 * FIN without one, are TLS_END: a message's end is explicit in SMTP. No renegotiation, no compression, TLS 1.2 at
 * least. Contexts are made before fork and are not changed after (tls_server.h, tls_client.h).
 */
#ifndef POSTERN_COMMON_TLS_H
#define POSTERN_COMMON_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls; /* one connection */

enum tls_step { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_END, TLS_FAILED };

enum { TLS_WHY_MAX = 256, TLS_NAME_MAX = 256, TLS_FINGERPRINT_MAX = 65 };

/* Why it could not be set up: the option that is to blame (a constant) and what is wrong with it. */
struct tls_fault {
    const char *option;
    char text[512];
};

/* What log and Received say of it; empty texts where there is nothing. All printable ASCII. */
struct tls_facts {
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    int bits;
    bool resumed;
    char server_name[TLS_NAME_MAX];             /* SNI that the client sent, "" when none */
    char peer_name[TLS_NAME_MAX];               /* the common name of the peer's certificate */
    char peer_fingerprint[TLS_FINGERPRINT_MAX]; /* SHA-256 of the certificate, hex */
    bool peer_given;                            /* there was a certificate */
    bool peer_verified;                         /* .. and it was checked and fits */
};

void tls_free(struct tls **tls); /* says nothing to the peer */

/* Once, with the connection's descriptor, which must be non-blocking; before anything else. */
bool tls_attach(struct tls *tls, int fd);
enum tls_step tls_handshake(struct tls *tls);
enum tls_step tls_read(struct tls *tls, void *to, size_t room, size_t *got_out);
enum tls_step tls_write(struct tls *tls, const void *from, size_t size, size_t *put_out); /* a part may go out */
/* Is application data there, or readable without waiting? TLS_DONE: yes; takes nothing away. */
enum tls_step tls_peek(struct tls *tls);
void tls_say_goodbye(struct tls *tls); /* close_notify, once, without waiting; only after a good handshake */

bool tls_is_established(const struct tls *tls);
void tls_describe(const struct tls *tls, struct tls_facts *out);
/* Why the last step was TLS_FAILED, for the log: printable, one line. */
const char *tls_why(const struct tls *tls);

#endif
