/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "common/must.h"

#include "workers/limits/limit_key.h"
#include "workers/session.h"

enum { NAME_MAX_OCTETS = 2 * PATH_MAX_OCTETS + 8 };

/* A part as it is: an address's network, or a name in small letters, which lies in `name`. */
struct part {
    struct network network;
    bool is_network;
    struct buffer name;
    char memory[NAME_MAX_OCTETS];
};

static void put_small(struct buffer *to, struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        buffer_put_char(to, ascii_lower(text.at[i]));
}

/* -- the parts, in the order of LIMIT_PER_CHOICES; false: not known -- */

static bool find_network(const struct limit *limit, const struct session *s, const struct path *recipient,
                         struct part *part)
{
    (void)recipient;
    if (s->client.kind != ENDPOINT_IP)
        return false;
    part->network = network_of(&s->client.address, limit_prefix(limit, &s->client.address));
    part->is_network = true;
    return true;
}

static bool put_domain(struct part *part, const struct path *path)
{
    put_small(&part->name, slice_without_dot(path->domain));
    return path->domain.size > 0;
}

static bool find_sender(const struct limit *limit, const struct session *s, const struct path *recipient,
                        struct part *part)
{
    const struct path *sender = &s->transaction.sender;
    (void)limit, (void)recipient;
    put_small(&part->name, sender->local);
    buffer_put_char(&part->name, '@');
    return put_domain(part, sender);
}

static bool find_sender_domain(const struct limit *limit, const struct session *s, const struct path *recipient,
                               struct part *part)
{
    (void)limit, (void)recipient;
    return put_domain(part, &s->transaction.sender);
}

static bool find_login(const struct limit *limit, const struct session *s, const struct path *recipient,
                       struct part *part)
{
    (void)limit, (void)recipient;
    put_small(&part->name, slice_of(s->login));
    return s->login[0] != '\0';
}

static bool find_recipient_domain(const struct limit *limit, const struct session *s, const struct path *recipient,
                                  struct part *part)
{
    (void)limit, (void)s;
    return recipient != NULL && put_domain(part, recipient);
}

static bool find_listener(const struct limit *limit, const struct session *s, const struct path *recipient,
                          struct part *part)
{
    (void)limit, (void)recipient;
    put_small(&part->name, slice_of(s->service->listener));
    return true;
}

static bool (*const FIND[LIMIT_PERS])(const struct limit *limit, const struct session *s, const struct path *recipient,
                                      struct part *part) = {
    find_network, find_network, find_sender, find_sender_domain, find_login, find_recipient_domain, find_listener,
};

static bool find(int per, const struct limit *limit, const struct session *s, const struct path *recipient,
                 struct part *part)
{
    part->is_network = false;
    buffer_init(&part->name, part->memory, sizeof(part->memory));
    return FIND[per](limit, s, recipient, part);
}

/* -- all of them -- */

/* Keyed, so that nobody can find two of one hash. */
static struct slice in_short(const struct session *s, struct slice name, uint64_t hash[2])
{
    if (name.size < LIMIT_PART_MAX || s->setup->board == NULL)
        return name.size > LIMIT_PART_MAX ? slice_make(name.at, LIMIT_PART_MAX) : name;
    hash[0] = siphash(s->setup->board->hash_key, name.at, name.size);
    hash[1] = name.size;
    return slice_make((const char *)hash, 2 * sizeof(*hash));
}

static void add(struct limit_key *key, int per, struct slice octets, bool is_hash)
{
    must(octets.size <= LIMIT_PART_MAX && key->size + 2 + octets.size <= sizeof(key->octets));
    key->octets[key->size++] = (char)(is_hash ? per | 0x80 : per);
    key->octets[key->size++] = (char)octets.size;
    memcpy(key->octets + key->size, octets.at, octets.size);
    key->size += octets.size;
}

bool limit_key_find(const struct limit *limit, const struct session *s, const struct path *recipient,
                    struct limit_key *out)
{
    struct part part;
    uint64_t hash[2];
    out->size = 0;
    for (int per = 0; per < LIMIT_PERS; per++) {
        if ((limit->per & 1u << per) == 0)
            continue;
        if (!find(per, limit, s, recipient, &part))
            return false;
        struct slice name = buffer_unread(&part.name), octets = in_short(s, name, hash);
        add(out, per, part.is_network ? network_octets(&part.network) : octets, octets.at != name.at);
    }
    return true;
}

void limit_key_print(const struct limit *limit, const struct session *s, const struct path *recipient,
                     char text[HIT_KEY_MAX])
{
    struct part part;
    char network[NETWORK_TEXT_MAX];
    int size = 0;
    text[0] = '\0';
    for (int per = 0; per < LIMIT_PERS && size < HIT_KEY_MAX - 1; per++) {
        if ((limit->per & 1u << per) == 0 || !find(per, limit, s, recipient, &part))
            continue;
        if (part.is_network)
            network_print(&part.network, network);
        struct slice name = part.is_network ? slice_of(network) : buffer_unread(&part.name);
        size += snprintf(text + size, (size_t)(HIT_KEY_MAX - size), "%s%.*s", size > 0 ? "+" : "", SLICE_ARGS(name));
    }
}
