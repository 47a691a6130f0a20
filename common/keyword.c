/* SPDX-License-Identifier: ISC */
#include "common/keyword.h"

_Static_assert((int)KEYWORD_NUMBERS <= (int)HEARD_NUMBERS, "struct heard has room for all of them");

const struct keyword_row keyword_rows[KEYWORDS] = {
    {KEYWORD_PIPELINING, "PIPELINING"},   {KEYWORD_SIZE, "SIZE"},
    {KEYWORD_STARTTLS, "STARTTLS"},       {KEYWORD_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
    {KEYWORD_8BITMIME, "8BITMIME"},       {KEYWORD_DSN, "DSN"},
    {KEYWORD_SMTPUTF8, "SMTPUTF8"},       {KEYWORD_CHUNKING, "CHUNKING"},
    {KEYWORD_BINARYMIME, "BINARYMIME"},   {KEYWORD_REQUIRETLS, "REQUIRETLS"},
    {KEYWORD_MT_PRIORITY, "MT-PRIORITY"}, {KEYWORD_FUTURERELEASE, "FUTURERELEASE"},
    {KEYWORD_DELIVERBY, "DELIVERBY"},     {KEYWORD_LIMITS, "LIMITS"},
    {KEYWORD_XCLIENT, "XCLIENT"},         {KEYWORD_XFORWARD, "XFORWARD"},
};

const struct keyword_row auth_mechanism_rows[AUTH_MECHANISMS] = {
    {KEYWORD_AUTH_PLAIN, "PLAIN"},
    {KEYWORD_AUTH_LOGIN, "LOGIN"},
    {KEYWORD_AUTH_CRAM_MD5, "CRAM-MD5"},
    {KEYWORD_AUTH_SCRAM_SHA_1, "SCRAM-SHA-1"},
    {KEYWORD_AUTH_SCRAM_SHA_256, "SCRAM-SHA-256"},
    {KEYWORD_AUTH_XOAUTH2, "XOAUTH2"},
    {KEYWORD_AUTH_OAUTHBEARER, "OAUTHBEARER"},
};

uint32_t keyword_find(const struct keyword_row *rows, size_t count, struct slice word)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is_word(word, rows[i].text))
            return rows[i].bit;
    return 0;
}

uint32_t keyword_epoch(int64_t now_ms)
{
    return (uint32_t)(now_ms / KEYWORD_EPOCH_MS) + 1;
}

uint32_t keyword_epoch_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

uint64_t keyword_number_merge(enum keyword_number which, uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    if (which == NUMBER_BY_MIN)
        return a > b ? a : b;
    return a < b ? a : b;
}

void keyword_merge(struct keyword_memory *memory, uint32_t keywords, const uint64_t numbers[KEYWORD_NUMBERS])
{
    memory->keywords = memory->known ? memory->keywords & keywords : keywords;
    for (int i = 0; i < KEYWORD_NUMBERS; i++)
        memory->numbers[i] = keyword_number_merge((enum keyword_number)i, memory->numbers[i], numbers[i]);
    memory->known = true;
}

/* RFC 5321 section 4.5.3.1.7: nobody offers less than 64K, and mail that is too big for a rumour is bounced. The rest
 * as its RFC has it. */
static const struct range {
    uint64_t least, most;
} ranges[KEYWORD_NUMBERS] = {
    [NUMBER_SIZE] = {65536, UINT64_MAX},
    [NUMBER_RCPTMAX] = {1, 999999},
    [NUMBER_MAILMAX] = {1, 999999},
    [NUMBER_RCPTDOMAINMAX] = {1, 999999},
    [NUMBER_BY_MIN] = {1, 999999999},
    [NUMBER_HOLD_FOR] = {1, 999999999},
    [NUMBER_HOLD_UNTIL] = {1, UINT64_C(253402300799)},
    [NUMBER_PRIORITIES] = {1, 3},
};

static uint64_t in_range(int which, uint64_t number)
{
    return number >= ranges[which].least && number <= ranges[which].most ? number : 0;
}

static void merge_words(struct keyword_memory *memory, const struct heard_words *words, uint32_t now)
{
    uint64_t word = atomic_load(&words->keywords), numbers[KEYWORD_NUMBERS];
    uint32_t epoch = keyword_epoch_of(word);
    if ((word & KEYWORD_HEARD) == 0 || epoch > now || now - epoch > 1)
        return;
    for (int i = 0; i < KEYWORD_NUMBERS; i++)
        numbers[i] = in_range(i, atomic_load(&words->numbers[i]));
    uint32_t keywords = (uint32_t)word & KEYWORDS_REMEMBERED;
    if (numbers[NUMBER_HOLD_FOR] == 0 || numbers[NUMBER_HOLD_UNTIL] == 0)
        keywords &= ~(uint32_t)KEYWORD_FUTURERELEASE; /* it is none without them */
    keyword_merge(memory, keywords, numbers);
}

struct keyword_memory keyword_recall(const struct heard *heard, int64_t now_ms)
{
    struct keyword_memory memory = {0};
    uint32_t now = keyword_epoch(now_ms);
    merge_words(&memory, &heard->lately, now);
    merge_words(&memory, &heard->before, now);
    return memory;
}

bool keyword_is_distrusted(const struct heard *heard, int64_t now_ms)
{
    uint64_t until = atomic_load(&heard->distrust_until_ms), now = (uint64_t)now_ms;
    return until > now && until - now <= KEYWORD_DISTRUST_MS;
}
