/* SPDX-License-Identifier: ISC
 *
 * address - reverse-path and forward-path (RFC 5321 sections 4.1.2 and 4.1.1.2, RFC 6531). Pure.
 *
 * Sloppy clients pass (a blank after the colon, no <>, <postmaster> without a domain, dots in odd places); what could
 * mean two things does not (controls, blanks outside quotes, unbalanced quotes or brackets, two @). The parts are
 * slices of the line as written, quotes kept. Printing makes "<..>" anew from the checked parts; a source route is
 * dropped (RFC 5321 appendix C), but `has_route` remembers it for L11.
 */
#ifndef POSTERN_WORKERS_SMTP_ADDRESS_H
#define POSTERN_WORKERS_SMTP_ADDRESS_H

#include "common/buffer.h"
#include "common/ipaddr.h"

enum { PATH_MAX_OCTETS = 1024, DOMAIN_MAX_OCTETS = 255 };

struct path {
    bool is_null;        /* <> */
    bool has_route;      /* <@a,@b:c@d> */
    bool has_8bit;       /* needs SMTPUTF8 */
    struct slice local;  /* as written; with quotes where it had them */
    struct slice domain; /* as written; a literal with its brackets; empty for <postmaster> and <> */
};

enum path_fault { PATH_FINE, PATH_MISSING, PATH_SYNTAX, PATH_TOO_LONG, PATH_BAD_DOMAIN, PATH_BAD_UTF8 };

/* Takes the path off the front of *text ("<a@b> SIZE=1" leaves " SIZE=1"); `text` begins after "FROM:" or "TO:".
 * On a fault *text stays and *out is empty. Only <postmaster> may lack its domain: any other would mean one mailbox to
 * us and another to inside. */
enum path_fault path_parse(struct slice *text, bool null_is_allowed, struct path *out);
bool path_print(struct buffer *to, const struct path *path); /* "<local@domain>" */
/* Without its quotes, as inside will take it: "a\"b" is a"b. */
struct slice path_plain_local(const struct path *path, char text[PATH_MAX_OCTETS]);
/* Quoted or not: does the local part hold %, ! or @ ? */
bool path_local_has_routing(const struct path *path);
bool path_is_postmaster(const struct path *path); /* any case, with or without domain */
/* Syntax of a host name: labels of letters, digits, - and _ (U-labels where 8bit), no empty label but a last dot. */
bool domain_is_valid(struct slice domain);
/* "[192.0.2.1]" or "[IPv6:2001:db8::1]"; no other tag is registered (RFC 5321 section 4.1.3). */
bool literal_parse(struct slice literal, struct ipaddr *out);
bool utf8_is_valid(struct slice octets); /* RFC 3629: no overlong forms, surrogates or beyond U+10FFFF */
/* No control to a screen, a log or a splitter of lines (C0, DEL, C1, U+2028, U+2029), and not -1. */
bool code_point_is_printable(int32_t point);
/* Valid, and each code point printable. */
bool utf8_is_printable(struct slice octets);

#endif
