/* SPDX-License-Identifier: ISC
 *
 * parameters - what follows the path of MAIL and RCPT: parsed, checked and printed anew (RFC 5321 section 4.1.2,
 * RFC 1870 SIZE, RFC 6152 and 3030 BODY, RFC 6531 SMTPUTF8, RFC 3461 RET ENVID NOTIFY ORCPT, RFC 8689 REQUIRETLS,
 * RFC 6710 MT-PRIORITY, RFC 4865 HOLDFOR HOLDUNTIL, RFC 2852 BY, RFC 4954 AUTH). Pure.
 *
 * Two of the same, a value that does not parse, a value where none belongs: refused (two interpretations = reject).
 * xtext is decoded and checked again: no CR, LF, NUL or other control in it. Nothing valid is dropped when printing.
 */
#ifndef POSTERN_WORKERS_SMTP_PARAMETERS_H
#define POSTERN_WORKERS_SMTP_PARAMETERS_H

#include "common/buffer.h"

enum body_kind { BODY_NONE, BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum ret_kind { RET_NONE, RET_FULL, RET_HDRS };
enum notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

struct mail_parameters {
    bool has_size;
    uint64_t size;
    enum body_kind body;
    bool smtputf8;
    enum ret_kind ret;
    bool require_tls;
    bool has_priority;
    int priority; /* -9..9 */
    bool has_by;
    int64_t by_seconds; /* may be negative */
    bool by_returns;    /* mode R: return it when late; else N: notify */
    bool by_traces;
    uint64_t hold_seconds; /* HOLDFOR; 0: none */
    /* As written; empty: none. They die with the line. */
    struct slice envid;      /* xtext */
    struct slice hold_until; /* HOLDUNTIL */
    struct slice auth;       /* xtext, or "<>" */
};

struct rcpt_parameters {
    unsigned notify;    /* enum notify; 0: none */
    struct slice orcpt; /* as written, "rfc822;" with it; empty: none */
};

enum parameter_fault { PARAMETER_FINE, PARAMETER_UNKNOWN, PARAMETER_DOUBLED, PARAMETER_BAD_VALUE };

/* `keywords` (enum keyword): a parameter whose extension is not among them is unknown. On a fault *culprit_out is the
 * word to blame. */
enum parameter_fault mail_parameters_parse(struct slice text, uint32_t keywords, struct mail_parameters *out,
                                           struct slice *culprit_out);
enum parameter_fault rcpt_parameters_parse(struct slice text, uint32_t keywords, struct rcpt_parameters *out,
                                           struct slice *culprit_out);

/* The line is over: what is a slice of it is forgotten. */
void mail_parameters_end_line(struct mail_parameters *parameters);

/* Each with a blank before it. `keywords` is what inside offers now: SIZE and AUTH are left out where inside does not
 * have them (RFC 1870, RFC 4954 section 5). */
bool mail_parameters_print(struct buffer *to, const struct mail_parameters *parameters, uint32_t keywords);
bool rcpt_parameters_print(struct buffer *to, const struct rcpt_parameters *parameters);
/* The keywords that these parameters cannot do without (not SIZE, not AUTH). */
uint32_t mail_parameters_need(const struct mail_parameters *parameters);
uint32_t rcpt_parameters_need(const struct rcpt_parameters *parameters);

#endif
