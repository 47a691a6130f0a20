/* SPDX-License-Identifier: ISC
 *
 * tls - one connection's TLS (OpenSSL), below stream.h, which owns it and is the only one to call the I/O here.
 *
 * Never blocks and raises no SIGPIPE, whatever the descriptor's flags: each operation says whether it is done or which
 * way the socket must become ready. A close_notify, and a FIN without one, are TLS_END: a message's end is explicit in
 * SMTP. With TLS_FAILED errno is set: the socket's, or EPROTO where TLS itself failed. Reading and writing end apart
 * and for good, but a failure of TLS itself ends both. No renegotiation, no compression, TLS 1.2 at least. Contexts are
 * made before fork and are not changed after (tls_server.h, tls_client.h); they outlive their connections.
 */
#ifndef POSTERN_COMMON_TLS_H
#define POSTERN_COMMON_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

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
    char peer_name[TLS_NAME_MAX];               /* the common name in the peer's certificate, else a DNS name */
    char peer_fingerprint[TLS_FINGERPRINT_MAX]; /* SHA-256 of the certificate, hex */
    bool peer_given;                            /* there was a certificate */
    bool peer_verified;                         /* .. and it was checked and fits */
};

void tls_free(struct tls **tls); /* says nothing to the peer */

/* Once, with the connection's descriptor, before anything else. */
void tls_attach(struct tls *tls, int fd);
enum tls_step tls_handshake(struct tls *tls);
enum tls_step tls_read(struct tls *tls, void *to, size_t room, size_t *got_out);
/* The same, but the first look at the socket may wait (clock_recv). */
enum tls_step tls_read_dozing(struct tls *tls, void *to, size_t room, size_t *got_out);
/* One record's worth of the pieces (16 KiB, one write), from their front; they hold at least one octet. After
 * TLS_WANTS_.. it is repeated with the same pieces. */
enum tls_step tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *put_out);
/* Is application data there, or readable without waiting? TLS_DONE: yes; takes nothing away. */
enum tls_step tls_peek(struct tls *tls);
/* May something come of tls_read that the socket will not tell of? To be asked before each wait for input. */
bool tls_holds_input(const struct tls *tls);
void tls_say_goodbye(struct tls *tls); /* close_notify, once, without waiting; only after a good handshake */

bool tls_is_established(const struct tls *tls);
void tls_describe(const struct tls *tls, struct tls_facts *out);
/* Why the last step was TLS_FAILED, for the log: printable, one line. */
const char *tls_why(const struct tls *tls);

#endif
