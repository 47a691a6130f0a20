/* SPDX-License-Identifier: ISC
 *
 * certificates - made once for a run of the talks, with OpenSSL alone: NAME.pem, a certificate and its key behind it.
 *
 * A talk says $certificates/mx.pem where an option wants a file and $pin(inside) where one wants the SHA-256 of a
 * public key. README lists them. They are good from 2020 to 2049, but for `expired`: no clock matters.
 */
#ifndef POSTERN_TESTS_TALK_CERTIFICATES_H
#define POSTERN_TESTS_TALK_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

/* Into a directory that is there. False: OpenSSL or the disk would not. */
bool certificates_make(const char *directory);
void certificates_remove(const char *directory); /* and the directory */

bool certificates_known(const char *name);
void certificates_path(const char *directory, const char *name, char *path, size_t size);

/* An option's value with what stands for files and pins replaced; NULL when one is unknown. Free it. */
char *certificates_expand(const char *text, const char *directory);

#endif
