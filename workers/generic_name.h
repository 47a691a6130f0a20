/* SPDX-License-Identifier: ISC
 *
 * generic_name - does a host name hold the address that it stands for, as names do that were made by counting? Pure.
 *
 * All of an IPv4 address: its four numbers one behind the other, forwards or backwards, with anything but digits
 * between (zeros before them do not matter), or as one run of digits, three for each, or of eight hexadecimal ones. All
 * of an IPv6 address: its 32 hexadecimal digits, forwards or backwards, '-' and '.' between them or not. Less than that
 * is no proof: mx2.example.org may have the address 192.0.2.2.
 */
#ifndef POSTERN_WORKERS_GENERIC_NAME_H
#define POSTERN_WORKERS_GENERIC_NAME_H

#include "common/ipaddr.h"

bool generic_name_holds(struct slice name, const struct ipaddr *address);

#endif
