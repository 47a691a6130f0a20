/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tests/sink/data.h"

const char *violation_name(enum violation v)
{
    static const char *const names[VIOLATIONS] = {"bare CR", "bare LF", "NUL", "unstuffed dot"};
    return names[v];
}

void data_begin(struct data *d, void (*keep)(void *context, const char *octets, size_t size), void *context)
{
    *d = (struct data){.state = AT_LINE_START, .keep = keep, .context = context};
}

bool data_ended(const struct data *d)
{
    return d->state == AT_END;
}

static void violate(struct data *d, enum violation v, uint64_t where)
{
    if (d->count[v]++ == 0)
        d->first[v] = where;
}

static void give(struct data *d, const char *octets, size_t size)
{
    d->content_bytes += size;
    if (d->keep && size > 0)
        d->keep(d->context, octets, size);
}

typedef signed char octets16 __attribute__((vector_size(16)));
enum { BLOCK = 64 };

/* Is that all whole, ordinary text: CRLF or nothing, no NUL, no dot behind a line's end? Of the octet behind the block
 * it counts what it is, and not what follows it. */
static bool is_ordinary(const char *block)
{
    octets16 odd = {0};
    for (int i = 0; i < BLOCK; i += 16) {
        octets16 here, next;
        memcpy(&here, block + i, 16);
        memcpy(&next, block + i + 1, 16);
        odd |= ((here == '\r') ^ (next == '\n')) | (here == '\0') | ((here == '\n') & (next == '.'));
    }
    uint64_t halves[2];
    memcpy(halves, &odd, 16);
    return (halves[0] | halves[1]) == 0;
}

/* From a line's start or within a line, as far as whole blocks are ordinary; the rest is looked at octet by octet. */
static const char *skip_ordinary(struct data *d, const char *at, const char *end)
{
    if (*at == '\n' || (d->state == AT_LINE_START && *at == '.'))
        return at;
    const char *begin = at;
    while (end - at > BLOCK && is_ordinary(at))
        at += BLOCK;
    if (at > begin)
        d->state = at[-1] == '\n' ? AT_LINE_START : at[-1] == '\r' ? AFTER_CR : IN_LINE;
    return at;
}

/* Content up to a CR or LF, or to the end of what is there; the lone ones among it are noted. */
static void judge_piece(struct data *d, const char *base, const char *at, const char *end)
{
    for (const char *nul = at; (nul = memchr(nul, '\0', (size_t)(end - nul))); nul++)
        violate(d, VIOLATION_NUL, d->heard_bytes + (uint64_t)(nul - base));
    for (const char *lf = at; (lf = memchr(lf, '\n', (size_t)(end - lf))); lf++)
        violate(d, VIOLATION_BARE_LF, d->heard_bytes + (uint64_t)(lf - base));
}

/* From within a line: behind its CR, or all that is there. */
static const char *scan_line(struct data *d, const char *base, const char *at, const char *end)
{
    const char *cr = memchr(at, '\r', (size_t)(end - at));
    judge_piece(d, base, at, cr ? cr : end);
    d->state = cr ? AFTER_CR : IN_LINE;
    return cr ? cr + 1 : end;
}

/* The octet behind a CR that is content already. */
static const char *scan_after_cr(struct data *d, const char *base, const char *at)
{
    if (*at == '\n') {
        d->state = AT_LINE_START;
        return at + 1;
    }
    violate(d, VIOLATION_BARE_CR, d->heard_bytes + (uint64_t)(at - base) - 1);
    d->state = IN_LINE; /* this octet is looked at again, as a line's */
    return at;
}

/* The octet behind a line's first dot, which is not content. */
static const char *scan_after_dot(struct data *d, const char *base, const char *at)
{
    if (*at == '\r') {
        d->state = AFTER_DOT_CR;
        return at + 1;
    }
    if (*at != '.')
        violate(d, VIOLATION_UNSTUFFED_DOT, d->heard_bytes + (uint64_t)(at - base) - 1);
    d->state = IN_LINE;
    return at;
}

/* The octet behind a line's ".CR": the end, or the held CR was content. */
static const char *scan_after_dot_cr(struct data *d, const char *base, const char *at)
{
    if (*at == '\n') {
        d->state = AT_END;
        return at + 1;
    }
    violate(d, VIOLATION_UNSTUFFED_DOT, d->heard_bytes + (uint64_t)(at - base) - 2);
    give(d, "\r", 1);
    d->state = AFTER_CR;
    return at;
}

/* Content is given on in runs as long as they come: `run` is where the present one begins. */
size_t data_feed(struct data *d, const char *octets, size_t size)
{
    const char *at = octets, *end = octets + size, *run = octets;
    while (at < end && d->state != AT_END) {
        if (d->state == AT_LINE_START || d->state == IN_LINE)
            at = skip_ordinary(d, at, end);
        switch (d->state) {
        case AT_LINE_START:
            if (*at == '.') {
                give(d, run, (size_t)(at - run));
                run = ++at;
                d->state = AFTER_DOT;
            } else {
                d->state = IN_LINE;
            }
            break;
        case AFTER_DOT:
            run = at;
            at = scan_after_dot(d, octets, at);
            break;
        case AFTER_DOT_CR:
            run = at;
            at = scan_after_dot_cr(d, octets, at);
            break;
        case IN_LINE:
            at = scan_line(d, octets, at, end);
            break;
        case AFTER_CR:
            at = scan_after_cr(d, octets, at);
            break;
        case AT_END:
            break;
        }
    }
    /* What is held is not content yet. */
    if (d->state != AFTER_DOT && d->state != AFTER_DOT_CR && d->state != AT_END)
        give(d, run, (size_t)(at - run));
    d->heard_bytes += (uint64_t)(at - octets);
    return (size_t)(at - octets);
}
