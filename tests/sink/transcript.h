/* SPDX-License-Identifier: ISC
 *
 * transcript - lines on stdout: who said what. One write each, so that lines of several processes never mix.
 *
 *     7 > MAIL FROM:<a@example.org>      heard; the number is the connection's, from 1
 *     7 < 250 2.1.0 sender ok            answered
 *     7 . message of 1234 octets         what happened otherwise
 *     7 ! bare LF at octet 17 of the message
 *
 * Octets that are no printable ASCII, and the backslash, are shown as \xHH.
 */
#ifndef SINK_TRANSCRIPT_H
#define SINK_TRANSCRIPT_H

#include <stddef.h>
#include <stdint.h>

enum mark { MARK_HEARD = '>', MARK_SAID = '<', MARK_EVENT = '.', MARK_VIOLATION = '!' };

void transcript_line(uint64_t connection, enum mark mark, const char *octets, size_t size);
void transcript_print(uint64_t connection, enum mark mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
