/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "workers/auth.h"
#include "workers/offer.h"
#include "workers/starttls.h"
#include "workers/xclient_from.h"
#include "workers/xforward.h"

enum {
    PROVIDED = KEYWORD_PIPELINING | KEYWORD_ENHANCEDSTATUSCODES | KEYWORD_SIZE | KEYWORD_CHUNKING,
    PASSED_ON = KEYWORD_8BITMIME | KEYWORD_DSN | KEYWORD_MT_PRIORITY | KEYWORD_FUTURERELEASE | KEYWORD_DELIVERBY |
                KEYWORD_LIMITS,
    WITH_8BITMIME = KEYWORD_SMTPUTF8 | KEYWORD_BINARYMIME, /* RFC 6531 section 3.1, RFC 3030 section 3 */
    IN_TLS = KEYWORD_REQUIRETLS                            /* RFC 8689 section 2 */
};

static uint32_t offered_keywords(const struct session *s, uint32_t inside)
{
    inside &= ~s->rules.withheld; /* and with them what needs them */
    uint32_t keywords = PROVIDED | (inside & PASSED_ON);
    if ((inside & KEYWORD_8BITMIME) != 0)
        keywords |= inside & WITH_8BITMIME;
    if ((inside & KEYWORD_CHUNKING) == 0)
        keywords &= ~(uint32_t)KEYWORD_BINARYMIME;
    if (s->tls.version != NULL)
        keywords |= inside & IN_TLS;
    if (starttls_is_offered(s))
        keywords |= KEYWORD_STARTTLS;
    if (xclient_from_may(s))
        keywords |= KEYWORD_XCLIENT;
    if (s->may_forward)
        keywords |= KEYWORD_XFORWARD;
    keywords |= auth_offers(s, inside);
    return keywords & ~s->rules.withheld;
}

struct extensions offer_to(const struct session *s, const struct extensions *inside)
{
    struct extensions offered = {.keywords = offered_keywords(s, inside->keywords),
                                 .xclient = XCLIENT_FROM_ATTRIBUTES,
                                 .xforward = XFORWARD_ATTRIBUTES};
    memcpy(offered.numbers, inside->numbers, sizeof(offered.numbers));
    const uint64_t own[] = {
        [NUMBER_SIZE] = (uint64_t)s->rules.message_size_limit, [NUMBER_RCPTMAX] = (uint64_t)s->rules.max_recipients};
    for (enum keyword_number i = NUMBER_SIZE; i <= NUMBER_RCPTMAX; i++)
        offered.numbers[i] = keyword_number_merge(i, offered.numbers[i], own[i]);
    return offered;
}
