/* SPDX-License-Identifier: ISC */
#include <ares.h>
#include <arpa/nameser.h>
#include <string.h>

#include "workers/dns_answer.h"

enum { IS_ANSWER = 0x8000, IS_CUT = 0x0200 }; /* of the header's second number: RFC 1035 section 4.1.1 */

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
    struct slice all = slice_without_dot(slice_of(name));
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

/* -- one record's data, by its type; false: it is broken, and so is the answer -- */

/* The record that is being read. */
struct data {
    const unsigned char *message, *at;
    int message_size, size;
};

static bool add_address(struct dns_answer *out, uint8_t family, const struct data *data)
{
    struct dns_record *record = data->size == (family == 4 ? NS_INADDRSZ : NS_IN6ADDRSZ) ? next_record(out) : NULL;
    if (record != NULL) {
        ipaddr_from_octets(&record->address, family, data->at);
        out->count++;
    }
    return true;
}

static bool take_a(struct dns_answer *out, const struct data *data)
{
    return add_address(out, 4, data);
}

static bool take_aaaa(struct dns_answer *out, const struct data *data)
{
    return add_address(out, 6, data);
}

/* A name that begins so far within the data and ends with it; to be freed. NULL: there is none. What is no plain
 * character of a label is escaped, a dot too. */
static char *read_name(const struct data *data, int from)
{
    char *name;
    long size;
    if (data->size <= from ||
        ares_expand_name(data->at + from, data->message, data->message_size, &name, &size) != ARES_SUCCESS)
        return NULL;
    if (size == data->size - from)
        return name;
    ares_free_string(name);
    return NULL;
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

static bool take_mx(struct dns_answer *out, const struct data *data)
{
    char *name = read_name(data, NS_INT16SZ);
    struct dns_record *record = name != NULL ? next_record(out) : NULL;
    if (record != NULL && keep_name(out, record, name)) {
        record->preference = (uint16_t)(data->at[0] << 8 | data->at[1]);
        out->count++;
        sort_in(out);
    }
    ares_free_string(name);
    return name != NULL;
}

static bool take_ptr(struct dns_answer *out, const struct data *data)
{
    char *name = read_name(data, 0);
    struct dns_record *record = name != NULL && name[0] != '\0' ? next_record(out) : NULL;
    if (record != NULL && keep_name(out, record, name))
        out->count++;
    ares_free_string(name);
    return name != NULL;
}

/* How long its strings are, joined (RFC 7208 section 3.3). False: the last one is cut off. */
static bool measure_text(const struct data *data, size_t *size_out)
{
    int at = 0, strings = 0;
    for (; at < data->size; strings++)
        at += 1 + data->at[at];
    *size_out = (size_t)(data->size - strings);
    return at == data->size;
}

static void join_strings(char *to, const struct data *data)
{
    for (int at = 0; at < data->size; at += 1 + data->at[at]) {
        memcpy(to, data->at + at + 1, data->at[at]);
        to += data->at[at];
    }
}

static bool take_txt(struct dns_answer *out, const struct data *data)
{
    size_t size;
    if (!measure_text(data, &size))
        return false;
    struct dns_record *record = data->size > 0 ? next_record(out) : NULL;
    if (record == NULL)
        return true;
    char *at = size <= DNS_TEXT_MAX ? take_room(out, size) : NULL;
    if (at == NULL) {
        out->cut = true;
        return true;
    }
    join_strings(at, data);
    record->text = slice_make(at, size);
    out->count++;
    return true;
}

/* -- the answer section -- */

static const struct {
    int number;
    bool (*take)(struct dns_answer *out, const struct data *data);
} types[DNS_TYPES] = {
    [DNS_A] = {ns_t_a, take_a},       [DNS_AAAA] = {ns_t_aaaa, take_aaaa}, [DNS_MX] = {ns_t_mx, take_mx},
    [DNS_PTR] = {ns_t_ptr, take_ptr}, [DNS_TXT] = {ns_t_txt, take_txt},
};

struct walk {
    const unsigned char *at, *end;
    struct data data;
    char *owner; /* whose records count: the name that was asked for, or where its CNAMEs led */
};

static int take_number(struct walk *walk)
{
    int number = walk->at[0] << 8 | walk->at[1];
    walk->at += NS_INT16SZ;
    return number;
}

/* The next name, which is to be freed, with so many octets behind it; NULL: there is none. */
static char *take_owner(struct walk *walk, long behind)
{
    char *name;
    long size;
    if (walk->at >= walk->end ||
        ares_expand_name(walk->at, walk->data.message, walk->data.message_size, &name, &size) != ARES_SUCCESS)
        return NULL;
    if (walk->end - walk->at - size >= behind) {
        walk->at += size;
        return name;
    }
    ares_free_string(name);
    return NULL;
}

static bool follow(struct walk *walk)
{
    char *target = read_name(&walk->data, 0);
    if (target == NULL)
        return false;
    ares_free_string(walk->owner);
    walk->owner = target;
    return true;
}

/* c-ares' own parsers do not look at whose records they are, and refuse all of them for one odd name. */
static bool take_record(struct dns_answer *out, struct walk *walk, enum dns_type type)
{
    char *owner = take_owner(walk, NS_RRFIXEDSZ);
    if (owner == NULL)
        return false;
    bool counts = slice_is_word(slice_of(owner), walk->owner);
    ares_free_string(owner);
    int number = take_number(walk), class = take_number(walk);
    walk->at += NS_INT32SZ; /* how long it may be remembered, which nobody here does */
    walk->data.size = take_number(walk);
    walk->data.at = walk->at;
    if (walk->data.size > walk->end - walk->at)
        return false;
    walk->at += walk->data.size;
    if (!counts || class != ns_c_in)
        return true;
    if (number == ns_t_cname)
        return follow(walk);
    return number != types[type].number || types[type].take(out, &walk->data);
}

static bool take_records(struct dns_answer *out, struct walk *walk, enum dns_type type, int count)
{
    walk->owner = take_owner(walk, NS_QFIXEDSZ);
    if (walk->owner == NULL)
        return false;
    walk->at += NS_QFIXEDSZ;
    while (count > 0 && take_record(out, walk, type))
        count--;
    ares_free_string(walk->owner);
    return count == 0;
}

enum dns_status dns_answer_parse(struct dns_answer *out, enum dns_type type, const unsigned char *octets, int size)
{
    struct walk walk = {.at = octets, .end = octets + size, .data = {.message = octets, .message_size = size}};
    out->count = 0;
    out->cut = false;
    out->used = 0;
    if (size < NS_HFIXEDSZ)
        return DNS_FAILED;
    take_number(&walk); /* its id, which c-ares has looked at */
    int flags = take_number(&walk), code = flags & 15, questions = take_number(&walk), records = take_number(&walk);
    walk.at = octets + NS_HFIXEDSZ;
    if ((flags & IS_ANSWER) == 0 || (flags & IS_CUT) != 0 || questions != 1)
        return DNS_FAILED;
    if (code != ns_r_noerror)
        return code == ns_r_nxdomain ? DNS_NO_NAME : DNS_FAILED;
    if (!take_records(out, &walk, type, records)) {
        out->count = 0;
        return DNS_FAILED;
    }
    /* What it holds may be of no use: to who asks it is as if nothing were there. */
    return out->count > 0 ? DNS_FOUND : DNS_NO_DATA;
}
