/* SPDX-License-Identifier: ISC */
#include <inttypes.h>

#include "common/must.h"
#include "common/siphash.h"
#include "common/store_record.h"

enum { PARTS_MAX = 3, ESCAPED_MAX = 3, HASH_SIZE = 2 + 16, HASH_PIECE = 256 };

static const struct kind {
    char letter;
    int parts_max;
    bool is_of_network; /* its only part is one */
} kinds[STORE_KINDS] = {
    [STORE_GREY] = {'g', PARTS_MAX, false}, [STORE_ALLOWANCE] = {'a', 1, false}, [STORE_NETWORK] = {'n', 1, true},
    [STORE_DOMAIN] = {'d', 1, false},       [STORE_TRAP] = {'t', 1, true},
};

char store_kind_letter(enum store_kind kind)
{
    return kinds[kind].letter;
}

struct slice store_key_slice(const struct store_key *key)
{
    return slice_make(key->text, key->size);
}

/* -- making keys */

/* In place of a sender, where there is a recipient and no sender. */
#define ANY_SENDER "*"

static void append(struct store_key *key, const char *at, size_t size)
{
    must(size <= sizeof(key->text) - key->size);
    memcpy(key->text + key->size, at, size);
    key->size += size;
}

static bool needs_escape(char c)
{
    return c <= ' ' || c > '~' || c == '%';
}

static size_t escape(char to[ESCAPED_MAX], char c)
{
    static const char digits[] = "0123456789abcdef";
    to[0] = ascii_lower(c);
    if (!needs_escape(c))
        return 1;
    to[0] = '%';
    to[1] = digits[(unsigned char)c >> 4];
    to[2] = digits[(unsigned char)c & 15];
    return ESCAPED_MAX;
}

/* Of a part as it is meant, in lower case; piece by piece, since it may be of any size. Its key is no secret: whoever
 * finds two long names with the same hash has two names with one record. */
static uint64_t hash_of(struct slice part)
{
    static const uint8_t no_secret[SIPHASH_KEY_BYTES] = "postern's memory";
    uint64_t hash = part.size;
    char piece[sizeof(hash) + HASH_PIECE];
    while (part.size > 0) {
        size_t size = part.size < HASH_PIECE ? part.size : HASH_PIECE;
        memcpy(piece, &hash, sizeof(hash));
        for (size_t i = 0; i < size; i++)
            piece[sizeof(hash) + i] = ascii_lower(part.at[i]);
        hash = siphash(no_secret, piece, sizeof(hash) + size);
        slice_drop(&part, size);
    }
    return hash;
}

/* %- never stands in a part that was not cut. */
static void append_hash(struct store_key *key, struct slice part)
{
    char text[HASH_SIZE + 1];
    struct buffer to;
    buffer_init(&to, text, sizeof(text));
    buffer_print(&to, "%%-%016" PRIx64, hash_of(part));
    append(key, text, HASH_SIZE);
}

static void append_part(struct store_key *key, struct slice part)
{
    size_t start = key->size, cut = start;
    append(key, " ", 1);
    if (slice_equal(part, slice_of(ANY_SENDER))) {
        append(key, "%2a", ESCAPED_MAX); /* somebody's name, and not nobody's */
        return;
    }
    for (size_t i = 0; i < part.size; i++) {
        char escaped[ESCAPED_MAX];
        size_t size = escape(escaped, part.at[i]), used = key->size - start - 1;
        if (used <= STORE_PART_MAX - HASH_SIZE)
            cut = key->size;
        if (used + size > STORE_PART_MAX) {
            key->size = cut;
            append_hash(key, part);
            return;
        }
        append(key, escaped, size);
    }
}

static void begin(struct store_key *key, enum store_kind kind)
{
    key->text[0] = kinds[kind].letter;
    key->size = 1;
}

void store_key_grey(struct store_key *key, struct slice client, struct slice sender, struct slice recipient)
{
    begin(key, STORE_GREY);
    append_part(key, client);
    if (sender.size > 0)
        append_part(key, sender);
    else if (recipient.size > 0)
        append(key, " " ANY_SENDER, sizeof(" " ANY_SENDER) - 1);
    if (recipient.size > 0)
        append_part(key, recipient);
}

void store_key_of(struct store_key *key, enum store_kind kind, struct slice what)
{
    must(kind != STORE_GREY);
    begin(key, kind);
    append_part(key, what);
}

void store_key_network(struct store_key *key, enum store_kind kind, const struct network *network)
{
    char text[NETWORK_TEXT_MAX];
    network_print(network, text);
    begin(key, kind);
    append_part(key, slice_of(text));
}

bool store_key_allowance(struct store_key *key, struct slice grey)
{
    enum store_kind kind;
    if (!store_kind_of(grey, &kind) || kind != STORE_GREY)
        return false;
    slice_drop(&grey, 2);
    struct slice client = slice_take_until(&grey, ' ');
    begin(key, STORE_ALLOWANCE);
    append(key, " ", 1);
    append(key, client.at, client.size); /* it is escaped already */
    return true;
}

/* -- looking at keys */

static bool find_kind(struct slice letter, enum store_kind *kind_out)
{
    for (int i = 0; i < STORE_KINDS; i++) {
        *kind_out = (enum store_kind)i;
        if (letter.size == 1 && letter.at[0] == kinds[i].letter)
            return true;
    }
    return false;
}

bool store_kind_of(struct slice key, enum store_kind *kind_out)
{
    if (key.size > STORE_KEY_MAX || !find_kind(slice_take_until(&key, ' '), kind_out))
        return false;
    int parts = 1;
    char before = ' ';
    for (size_t i = 0; i < key.size; i++) {
        char c = key.at[i];
        if (c < ' ' || c > '~' || (c == ' ' && before == ' '))
            return false;
        parts += c == ' ';
        before = c;
    }
    return before != ' ' && parts <= kinds[*kind_out].parts_max;
}

bool store_kind_is_reputation(enum store_kind kind)
{
    return kind == STORE_NETWORK || kind == STORE_DOMAIN;
}

/* -- times */

uint32_t store_seconds(time_t at)
{
    return at <= 0 ? 0 : at >= (time_t)UINT32_MAX ? UINT32_MAX : (uint32_t)at;
}

uint32_t store_later_end(uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return 0;
    return a > b ? a : b;
}

bool store_record_is_over(const struct store_record *record, time_t now)
{
    return record->expires_s != 0 && now >= (time_t)record->expires_s;
}

/* -- lines */

static struct reputation points_of(const struct store_record *record)
{
    bool is_damaged;
    struct reputation points = reputation_read(record->reputation, (time_t)record->last_s, &is_damaged);
    return is_damaged ? (struct reputation){0} : points;
}

void store_line_print(struct buffer *to, struct slice key, const struct store_record *record)
{
    enum store_kind kind;
    buffer_put(to, key);
    buffer_print(to, "\tfirst=%" PRIu32 " last=%" PRIu32 " expires=%" PRIu32 " count=%" PRIu32, record->first_s,
                 record->last_s, record->expires_s, record->count);
    if (!store_kind_of(key, &kind))
        return;
    if (kind == STORE_GREY)
        buffer_put_text(to, record->passed != 0 ? " passed=yes" : " passed=no");
    if (store_kind_is_reputation(kind)) {
        struct reputation points = points_of(record);
        buffer_print(to, " good=%" PRIu32 " bad=%" PRIu32, points.good, points.bad);
    }
}

/* -- and back: first the key, which is to be just what would have been made */

static bool is_hex(char c)
{
    return ascii_is_digit(c) || (c >= 'a' && c <= 'f');
}

static unsigned hex_value(char c)
{
    return (unsigned)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
}

static bool is_hash(struct slice a)
{
    for (size_t i = 0; i < a.size; i++)
        if (i >= 2 && !is_hex(a.at[i]))
            return false;
    return a.size == HASH_SIZE && a.at[0] == '%' && a.at[1] == '-';
}

/* %xx of an octet that stands for itself would make a second key of one name. */
static bool is_escape(struct slice a)
{
    return a.size >= ESCAPED_MAX && is_hex(a.at[1]) && is_hex(a.at[2]) &&
           needs_escape((char)(hex_value(a.at[1]) << 4 | hex_value(a.at[2])));
}

static bool is_well_escaped(struct slice part)
{
    if (slice_equal(part, slice_of("%2a")))
        return true;
    while (part.size > 0) {
        if (is_hash(part))
            return true;
        if (part.at[0] == '%' && !is_escape(part))
            return false;
        slice_drop(&part, part.at[0] == '%' ? ESCAPED_MAX : 1);
    }
    return true;
}

/* An address is not looked up as a name. */
static bool looks_like_network(struct slice part)
{
    bool is_number = true;
    for (size_t i = 0; i < part.size; i++)
        is_number = is_number && (ascii_is_digit(part.at[i]) || part.at[i] == '.');
    return is_number || slice_has(part, '/') || slice_has(part, ':');
}

static const char *parse_network(struct slice part, struct store_key *key)
{
    struct network network;
    char text[NETWORK_TEXT_MAX];
    if (!network_parse(part, &network))
        return "its network is none: 192.0.2.0/24, 2001:db8::/64, an address; no bits behind the prefix";
    network_print(&network, text);
    append_part(key, slice_of(text));
    return NULL;
}

static const char *parse_part(enum store_kind kind, int number, struct slice part, struct store_key *key)
{
    char lower[STORE_PART_MAX];
    bool is_client = number == 0 && (kind == STORE_GREY || kind == STORE_ALLOWANCE);
    if (part.size > STORE_PART_MAX)
        return "a part of its key is too long";
    for (size_t i = 0; i < part.size; i++)
        lower[i] = ascii_lower(part.at[i]);
    part.at = lower;
    if (kinds[kind].is_of_network || (is_client && looks_like_network(part)))
        return parse_network(part, key);
    if (!is_well_escaped(part))
        return "a % in its key is not followed by two hexadecimal digits of an octet that needs it";
    if (slice_equal(part, slice_of(ANY_SENDER)) && number != 1)
        return "in its key * stands where a sender does not";
    append(key, " ", 1);
    append(key, part.at, part.size);
    return NULL;
}

static const char *parse_key(struct slice text, struct store_key *key, enum store_kind *kind_out)
{
    if (!store_kind_of(text, kind_out))
        return "its key is none: a letter of g, a, n, d, t and what belongs to it, one blank between, then a tab";
    begin(key, *kind_out);
    slice_drop(&text, 2);
    int parts = 0;
    bool ends_with_any = false;
    while (text.size > 0) {
        struct slice part = slice_take_until(&text, ' ');
        const char *wrong = parse_part(*kind_out, parts++, part, key);
        if (wrong != NULL)
            return wrong;
        ends_with_any = slice_equal(part, slice_of(ANY_SENDER));
    }
    return ends_with_any ? "in its key * stands for a sender, and no recipient follows" : NULL;
}

/* .. then the values. */

enum value { FIRST, LAST, EXPIRES, COUNT, PASSED, GOOD, BAD, VALUES };
static const char *const value_names[VALUES] = {"first", "last", "expires", "count", "passed", "good", "bad"};

struct values {
    uint32_t of[VALUES];
    bool are_there[VALUES];
};

static bool belongs(enum value value, enum store_kind kind)
{
    if (value == PASSED)
        return kind == STORE_GREY;
    return (value != GOOD && value != BAD) || store_kind_is_reputation(kind);
}

static bool parse_number(enum value value, struct slice text, uint32_t *out)
{
    uint64_t number = slice_is_word(text, "yes");
    bool is_taken = value == PASSED ? number == 1 || slice_is_word(text, "no") : slice_to_number(text, &number);
    if (!is_taken || number > (value == GOOD || value == BAD ? REPUTATION_MAX : UINT32_MAX))
        return false;
    *out = (uint32_t)number;
    return true;
}

static const char *parse_value(struct slice word, enum store_kind kind, struct values *values)
{
    struct slice name = slice_take_until(&word, '=');
    for (int i = 0; i < VALUES; i++) {
        if (!belongs((enum value)i, kind) || !slice_equal(name, slice_of(value_names[i])))
            continue;
        if (values->are_there[i])
            return "one of its values is there twice";
        values->are_there[i] = true;
        return parse_number((enum value)i, word, &values->of[i]) ? NULL : "one of its values is out of range";
    }
    return "it has a value of a name that records of its kind have not";
}

static const char *parse_values(struct slice rest, enum store_kind kind, struct values *values)
{
    for (struct slice word; (word = slice_take_word(&rest)).size > 0;) {
        const char *wrong = parse_value(word, kind, values);
        if (wrong != NULL)
            return wrong;
    }
    for (int i = 0; i < VALUES; i++)
        if (i != COUNT && belongs((enum value)i, kind) && !values->are_there[i])
            return "one of its values is missing: first= last= expires=, for g passed=, for n and d good= and bad=";
    return values->of[FIRST] > values->of[LAST] ? "it was seen first after it was seen last" : NULL;
}

const char *store_line_parse(struct slice line, struct store_key *key_out, struct store_record *record_out)
{
    enum store_kind kind;
    struct values values = {0};
    const char *wrong = parse_key(slice_take_until(&line, '\t'), key_out, &kind);
    if (wrong == NULL)
        wrong = parse_values(line, kind, &values);
    if (wrong != NULL)
        return wrong;
    *record_out = (struct store_record){values.of[FIRST], values.of[LAST], values.of[EXPIRES], values.of[COUNT], {0}};
    bool is_damaged;
    if (kind == STORE_GREY)
        record_out->passed = values.of[PASSED];
    else
        record_out->reputation = reputation_add(0, &(struct reputation){values.of[GOOD], values.of[BAD]},
                                                (time_t)values.of[LAST], &is_damaged);
    return NULL;
}
