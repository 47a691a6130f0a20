/* SPDX-License-Identifier: ISC */
#include "common/keyword.h"

const struct keyword_row keyword_rows[KEYWORDS] = {
    {KEYWORD_PIPELINING, "PIPELINING"}, {KEYWORD_SIZE, "SIZE"},
    {KEYWORD_STARTTLS, "STARTTLS"},     {KEYWORD_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
    {KEYWORD_8BITMIME, "8BITMIME"},     {KEYWORD_DSN, "DSN"},
    {KEYWORD_SMTPUTF8, "SMTPUTF8"},     {KEYWORD_CHUNKING, "CHUNKING"},
    {KEYWORD_XCLIENT, "XCLIENT"},
};

uint32_t keyword_epoch(int64_t now_ms)
{
    return (uint32_t)(now_ms / KEYWORD_EPOCH_MS) + 1;
}

uint32_t keyword_epoch_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

uint64_t keyword_smaller_limit(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

void keyword_merge(struct keyword_memory *memory, uint32_t keywords, uint64_t size_limit)
{
    memory->keywords = memory->known ? memory->keywords & keywords : keywords;
    memory->size_limit = keyword_smaller_limit(memory->size_limit, size_limit);
    memory->known = true;
}

static void merge_word(struct keyword_memory *memory, uint64_t word, uint64_t size_limit, uint32_t now)
{
    uint32_t epoch = keyword_epoch_of(word);
    if ((word & KEYWORD_HEARD) != 0 && epoch <= now && now - epoch <= 1)
        keyword_merge(memory, (uint32_t)word & KEYWORDS_REMEMBERED, size_limit);
}

struct keyword_memory keyword_recall(const struct heard *heard, int64_t now_ms)
{
    struct keyword_memory memory = {0};
    uint32_t now = keyword_epoch(now_ms);
    merge_word(&memory, atomic_load(&heard->keywords), atomic_load(&heard->size_limit), now);
    merge_word(&memory, atomic_load(&heard->previous_keywords), atomic_load(&heard->previous_size_limit), now);
    return memory;
}

bool keyword_is_distrusted(const struct heard *heard, int64_t now_ms)
{
    uint64_t until = atomic_load(&heard->distrust_until_ms), now = (uint64_t)now_ms;
    return until > now && until - now <= KEYWORD_DISTRUST_MS;
}
