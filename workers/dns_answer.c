/* SPDX-License-Identifier: ISC */
#include <ares.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "workers/dns_answer.h"

static char *take_room(struct dns_answer *out, size_t size)
{
    if (size > sizeof(out->text) - out->used)
        return NULL;
    char *at = out->text + out->used;
    out->used += size;
    return at;
}

static struct dns_record *next_record(struct dns_answer *out)
{
    if (out->count == DNS_RECORDS_MAX) {
        out->cut = true;
        return NULL;
    }
    struct dns_record *record = &out->records[out->count];
    *record = (struct dns_record){0};
    return record;
}

/* In lower case, without the dot at its end; what is no name is left out. */
static bool keep_name(struct dns_answer *out, struct dns_record *record, const char *name)
{
    struct slice all = slice_of(name);
    if (all.size > 0 && all.at[all.size - 1] == '.')
        all.size--;
    if (all.size > 0 && !dns_name_is_valid(all))
        return false;
    char *at = take_room(out, all.size + 1);
    if (at == NULL) {
        out->cut = true;
        return false;
    }
    for (size_t i = 0; i < all.size; i++)
        at[i] = ascii_lower(all.at[i]);
    at[all.size] = '\0';
    record->name = at;
    return true;
}

static void add_address(struct dns_answer *out, uint8_t family, const void *octets)
{
    struct dns_record *record = next_record(out);
    if (record == NULL)
        return;
    ipaddr_from_octets(&record->address, family, octets);
    out->count++;
}

static int parse_a(struct dns_answer *out, const unsigned char *octets, int size)
{
    struct ares_addrttl found[DNS_RECORDS_MAX];
    int count = DNS_RECORDS_MAX;
    int status = ares_parse_a_reply(octets, size, NULL, found, &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; i++)
        add_address(out, 4, &found[i].ipaddr);
    return status;
}

static int parse_aaaa(struct dns_answer *out, const unsigned char *octets, int size)
{
    struct ares_addr6ttl found[DNS_RECORDS_MAX];
    int count = DNS_RECORDS_MAX;
    int status = ares_parse_aaaa_reply(octets, size, NULL, found, &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; i++)
        add_address(out, 6, &found[i].ip6addr);
    return status;
}

/* In the order of preference: few, so each is moved to its place. */
static void sort_in(struct dns_answer *out)
{
    int at = out->count - 1;
    struct dns_record last = out->records[at];
    for (; at > 0 && out->records[at - 1].preference > last.preference; at--)
        out->records[at] = out->records[at - 1];
    out->records[at] = last;
}

static int parse_mx(struct dns_answer *out, const unsigned char *octets, int size)
{
    struct ares_mx_reply *all = NULL;
    int status = ares_parse_mx_reply(octets, size, &all);
    for (const struct ares_mx_reply *one = all; one != NULL; one = one->next) {
        struct dns_record *record = next_record(out);
        if (record == NULL || !keep_name(out, record, one->host))
            continue;
        record->preference = one->priority;
        out->count++;
        sort_in(out);
    }
    ares_free_data(all);
    return status;
}

/* Who it is that the name stands for is the asker's business: the octets of an address are not looked at here. */
static int parse_ptr(struct dns_answer *out, const unsigned char *octets, int size)
{
    static const unsigned char nobody[4] = {0};
    struct hostent *host = NULL;
    int status = ares_parse_ptr_reply(octets, size, nobody, sizeof(nobody), AF_INET, &host);
    for (int i = 0; status == ARES_SUCCESS && host->h_aliases[i] != NULL; i++) {
        struct dns_record *record = next_record(out);
        if (record != NULL && host->h_aliases[i][0] != '\0' && keep_name(out, record, host->h_aliases[i]))
            out->count++;
    }
    if (host != NULL)
        ares_free_hostent(host);
    /* Names are whatever the owner of the network wrote there: one that is none is as good as no name, not trouble. */
    return status == ARES_EBADRESP || status == ARES_EBADNAME ? ARES_ENODATA : status;
}

/* One TXT: its strings, joined (RFC 7208 section 3.3). Where the next one begins. */
static const struct ares_txt_ext *add_text(struct dns_answer *out, const struct ares_txt_ext *from)
{
    const struct ares_txt_ext *end = from;
    size_t size = 0;
    do {
        size += end->length;
        end = end->next;
    } while (end != NULL && !end->record_start);
    struct dns_record *record = next_record(out);
    char *at = size <= DNS_TEXT_MAX && record != NULL ? take_room(out, size) : NULL;
    if (at == NULL) {
        out->cut = true;
        return end;
    }
    record->text = slice_make(at, size);
    out->count++;
    for (; from != end; from = from->next) {
        memcpy(at, from->txt, from->length);
        at += from->length;
    }
    return end;
}

static int parse_txt(struct dns_answer *out, const unsigned char *octets, int size)
{
    struct ares_txt_ext *all = NULL;
    int status = ares_parse_txt_reply_ext(octets, size, &all);
    for (const struct ares_txt_ext *one = all; one != NULL;)
        one = add_text(out, one);
    ares_free_data(all);
    return status;
}

enum dns_status dns_answer_parse(struct dns_answer *out, enum dns_type type, const unsigned char *octets, int size)
{
    static int (*const parsers[DNS_TYPES])(struct dns_answer *, const unsigned char *, int) = {
        [DNS_A] = parse_a, [DNS_AAAA] = parse_aaaa, [DNS_MX] = parse_mx, [DNS_PTR] = parse_ptr, [DNS_TXT] = parse_txt};
    out->count = 0;
    out->cut = false;
    out->used = 0;
    int status = parsers[type](out, octets, size);
    if (status == ARES_SUCCESS && out->count > 0)
        return DNS_FOUND;
    /* What it holds is of no use: to who asks it is as if nothing were there. */
    return status == ARES_SUCCESS || status == ARES_ENODATA ? DNS_NO_DATA : DNS_FAILED;
}
