/* SPDX-License-Identifier: ISC
 *
 * tls_file - a small file of certificates, keys or the like, read whole; its memory is wiped before it is given back.
 */
#ifndef POSTERN_COMMON_TLS_FILE_H
#define POSTERN_COMMON_TLS_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum { TLS_FILE_MAX = 4 << 20 };

struct tls_file {
    unsigned char *octets;
    size_t size;
    bool for_others; /* anybody may read or write it */
};

/* False with errno: EFBIG over TLS_FILE_MAX, EISDIR and the like for what is no file. */
bool tls_file_read(struct tls_file *file, const char *path);
void tls_file_clear(struct tls_file *file);

#endif
