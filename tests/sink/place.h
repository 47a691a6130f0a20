/* SPDX-License-Identifier: ISC
 *
 * place - an address in words, and the socket that listens there.
 *
 * place_listen gives a non-blocking, close-on-exec listener, or -1 with the cause said on stderr. A stale Unix socket
 * is replaced. place_print says where it really listens: port 0 has become a number.
 */
#ifndef SINK_PLACE_H
#define SINK_PLACE_H

enum { PLACE_TEXT_MAX = 128 };

int place_listen(const char *address);
void place_print(int listener, const char *address, char text[PLACE_TEXT_MAX]);

#endif
