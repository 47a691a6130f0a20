/* SPDX-License-Identifier: ISC
 *
 * What follows the path of MAIL and RCPT. Parsed, printed, parsed again: the same, and printed the same; nothing of it
 * ends the line; what it needs inside is among the keywords that it was parsed by, and without those it is refused.
 */
#include <string.h>

#include "common/keyword.h"
#include "tests/fuzz/target.h"
#include "workers/smtp/parameters.h"

enum { ROOM = 65536 };

static const uint32_t ALL = UINT32_MAX;

static void check_printed(struct slice printed)
{
    law(law_is_clean(printed), "a control character in a parameter: %.*s", SLICE_ARGS(printed));
    law(printed.size == 0 || printed.at[0] == ' ', "no blank before a parameter");
}

static void check_culprit(struct slice input, struct slice culprit)
{
    bool is_constant = law_same(culprit, slice_of("BODY=BINARYMIME")); /* put together of two words of ours */
    is_constant |= law_same(culprit, slice_of("ORCPT=utf-8"));
    law(culprit.size == 0 || is_constant ||
            (culprit.at >= input.at && culprit.at + culprit.size <= input.at + input.size),
        "the word to blame is none of the line's");
}

static bool same_mail(const struct mail_parameters *a, const struct mail_parameters *b)
{
    return a->has_size == b->has_size && a->size == b->size && a->body == b->body && a->smtputf8 == b->smtputf8 &&
           a->ret == b->ret && a->require_tls == b->require_tls && a->has_priority == b->has_priority &&
           a->priority == b->priority && a->has_by == b->has_by && a->by_seconds == b->by_seconds &&
           a->by_returns == b->by_returns && a->by_traces == b->by_traces && a->hold_seconds == b->hold_seconds &&
           law_same(a->envid, b->envid) && law_same(a->hold_until, b->hold_until) && law_same(a->auth, b->auth);
}

static void check_mail(struct slice input, uint32_t keywords)
{
    static char first[ROOM], second[ROOM];
    struct mail_parameters parsed, again;
    struct slice culprit = {0};
    struct buffer printed, twice;
    if (mail_parameters_parse(input, keywords, &parsed, &culprit) != PARAMETER_FINE) {
        check_culprit(input, culprit);
        return;
    }
    uint32_t need = mail_parameters_need(&parsed);
    law((need & ~keywords) == 0, "what was not offered is needed");
    buffer_init(&printed, first, sizeof first);
    law(mail_parameters_print(&printed, &parsed, ALL), "parameters that do not fit");
    check_printed(buffer_unread(&printed));
    law(mail_parameters_parse(buffer_unread(&printed), keywords, &again, &culprit) == PARAMETER_FINE &&
            same_mail(&parsed, &again),
        "other parameters: %.*s", SLICE_ARGS(buffer_unread(&printed)));
    buffer_init(&twice, second, sizeof second);
    mail_parameters_print(&twice, &again, ALL);
    law(law_same(buffer_unread(&printed), buffer_unread(&twice)), "printed twice, they are others");
}

static void check_rcpt(struct slice input, uint32_t keywords)
{
    static char first[ROOM];
    struct rcpt_parameters parsed, again;
    struct slice culprit = {0};
    struct buffer printed;
    if (rcpt_parameters_parse(input, keywords, &parsed, &culprit) != PARAMETER_FINE) {
        check_culprit(input, culprit);
        return;
    }
    law((rcpt_parameters_need(&parsed) & ~keywords) == 0, "what was not offered is needed");
    buffer_init(&printed, first, sizeof first);
    law(rcpt_parameters_print(&printed, &parsed), "parameters that do not fit");
    check_printed(buffer_unread(&printed));
    law(rcpt_parameters_parse(buffer_unread(&printed), keywords, &again, &culprit) == PARAMETER_FINE &&
            again.notify == parsed.notify && law_same(again.orcpt, parsed.orcpt),
        "other parameters: %.*s", SLICE_ARGS(buffer_unread(&printed)));
}

FUZZ
{
    uint32_t keywords = 0;
    if (input.size < 3)
        return;
    for (int i = 0; i < 3; i++)
        keywords = keywords << 8 | law_take_octet(&input);
    if ((keywords & KEYWORD_BINARYMIME) != 0) /* RFC 3030 section 3: it never comes alone; nor does SMTPUTF8 */
        keywords |= KEYWORD_CHUNKING | KEYWORD_8BITMIME;
    if ((keywords & KEYWORD_SMTPUTF8) != 0)
        keywords |= KEYWORD_8BITMIME;
    check_mail(input, ALL);
    check_mail(input, keywords);
    check_rcpt(input, ALL);
    check_rcpt(input, keywords);
}
