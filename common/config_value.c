/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/must.h"

#include "common/config_internal.h"

/* A parser puts into *out what `text` means, or says what is wrong with it. What is allowed is said by the type. */
struct value_type {
    const char *name;
    size_t size;
    bool (*parse)(const struct option *row, const char *text, void *out, const char **wrong_out);
    const char *form; /* what may be written, besides the row's `allowed` */
};

/* ---- numbers ---- */

struct unit {
    const char *name;
    int64_t scale;
};

/* Largest first. "" is no unit at all. */
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
/* clang-format off */
static const struct unit size_units[] = {
    {"G", 1 << 30}, {"g", 1 << 30}, {"M", 1 << 20}, {"m", 1 << 20}, {"K", 1 << 10}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit time_units[] = {
    {"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
/* clang-format on */

static struct slice take_while(struct slice *rest, bool digits)
{
    size_t size = 0;
    while (size < rest->size && ascii_is_digit(rest->at[size]) == digits)
        size++;
    struct slice taken = slice_make(rest->at, size);
    slice_drop(rest, size);
    return taken;
}

static const struct unit *find_unit(const struct unit *units, struct slice name)
{
    for (; units->name != NULL; units++)
        if (slice_equal(name, slice_of(units->name)))
            return units;
    return NULL;
}

static bool add_scaled(int64_t *sum, uint64_t number, int64_t scale)
{
    if (number > (uint64_t)((INT64_MAX - *sum) / scale))
        return false;
    *sum += (int64_t)number * scale;
    return true;
}

/* Decimal digits and a unit, each part's unit smaller than the one's before it: 90s, 1h30m. */
static const char *parse_scaled(struct slice rest, const struct unit *units, int64_t *out)
{
    bool first = true;

    *out = 0;
    do {
        uint64_t number;
        struct slice digits = take_while(&rest, true), name = take_while(&rest, false);
        const struct unit *unit = find_unit(units, name);

        if (digits.size == 0)
            return "is not a number";
        if (unit == NULL || (name.size == 0 && !first))
            return name.size == 0 ? "has no unit" : "does not end with a known unit";
        if (!slice_to_number(digits, &number) || !add_scaled(out, number, unit->scale))
            return "is out of range";
        units = unit + 1;
        first = false;
    } while (rest.size > 0);
    return NULL;
}

/* "1..500"; either end may be left out. */
static bool in_range(const char *allowed, const struct unit *units, int64_t number)
{
    const char *dots = allowed != NULL ? strstr(allowed, "..") : NULL;
    int64_t low = 0, high = INT64_MAX;

    if (allowed == NULL)
        return true;
    must(dots != NULL);
    must(dots == allowed || parse_scaled(slice_make(allowed, (size_t)(dots - allowed)), units, &low) == NULL);
    must(dots[2] == '\0' || parse_scaled(slice_of(dots + 2), units, &high) == NULL);
    return number >= low && number <= high;
}

static bool parse_number(const struct option *row, const struct unit *units, const char *text, void *out,
                         const char **wrong_out)
{
    int64_t number;

    *wrong_out = parse_scaled(slice_of(text), units, &number);
    if (*wrong_out == NULL && !in_range(row->allowed, units, number))
        *wrong_out = "is out of range";
    memcpy(out, &number, sizeof number);
    return *wrong_out == NULL;
}

static bool parse_count(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    return parse_number(row, no_units, text, out, wrong_out);
}

/* "-2", or 8. */
static bool parse_points(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    struct slice rest = slice_of(text);
    bool is_negative = rest.size > 0 && rest.at[0] == '-';
    int64_t number, most;

    slice_drop(&rest, is_negative);
    must(parse_scaled(slice_of(row->allowed), no_units, &most) == NULL);
    *wrong_out = parse_scaled(rest, no_units, &number);
    if (*wrong_out == NULL && number > most)
        *wrong_out = "is out of range";
    if (is_negative)
        number = -number;
    memcpy(out, &number, sizeof number);
    return *wrong_out == NULL;
}

static bool parse_size(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    return parse_number(row, size_units, text, out, wrong_out);
}

static bool parse_time(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    return parse_number(row, time_units, text, out, wrong_out);
}

/* A count, or a size, in a time. */
static bool parse_rate(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    struct rate rate = {0};
    struct slice window = slice_of(text), count = slice_take_until(&window, '/');

    (void)row;
    *wrong_out = "has no time behind a /";
    if (window.size == 0)
        return false;
    *wrong_out = parse_scaled(count, size_units, &rate.count);
    if (*wrong_out == NULL)
        *wrong_out = parse_scaled(window, time_units, &rate.window_ms);
    if (*wrong_out != NULL)
        return false;
    rate.burst = rate.count;
    *wrong_out = "is out of range";
    memcpy(out, &rate, sizeof rate);
    return rate_is_sane(&rate);
}

/* "5:10s" */
static bool parse_step(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    struct slice time = slice_of(text), points = slice_take_until(&time, ':');
    struct score_step step;

    *wrong_out = "is no step";
    if (points.size == 0 || time.size == 0)
        return false;
    *wrong_out = parse_scaled(points, no_units, &step.points);
    if (*wrong_out == NULL)
        *wrong_out = parse_scaled(time, time_units, &step.ms);
    if (*wrong_out == NULL && (step.points > CONFIG_POINTS_MAX || !in_range(row->allowed, time_units, step.ms)))
        *wrong_out = "is out of range";
    memcpy(out, &step, sizeof step);
    return *wrong_out == NULL;
}

/* ---- words ---- */

static bool parse_flag(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    bool yes = slice_is_word(slice_of(text), "yes");

    (void)row;
    *wrong_out = "is neither yes nor no";
    memcpy(out, &yes, sizeof yes);
    return yes || slice_is_word(slice_of(text), "no");
}

static int find_choice(const char *choices, struct slice word)
{
    struct slice rest = slice_of(choices);

    for (int position = 0; rest.size > 0; position++)
        if (slice_equal_nocase(slice_take_until(&rest, '|'), word))
            return position;
    return -1;
}

static bool parse_choice(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    int position = find_choice(row->allowed, slice_of(text));

    *wrong_out = "is none of the choices";
    if (position < 0)
        return false;
    memcpy(out, &position, sizeof position);
    return true;
}

/* Each of them once. */
static bool parse_choices(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    struct slice rest = slice_of(text);
    bool more = true;
    unsigned bits = 0;

    while (more) {
        size_t before = rest.size;
        struct slice word = slice_take_until(&rest, '+');
        int position = find_choice(row->allowed, word);
        *wrong_out = position < 0 ? "is not made of these choices" : "names one of them twice";
        if (position < 0 || (bits & 1u << position) != 0)
            return false;
        bits |= 1u << position;
        more = word.size < before; /* a + stood behind it */
    }
    memcpy(out, &bits, sizeof bits);
    return true;
}

static bool keep(const char *text, void *out)
{
    memcpy(out, &text, sizeof text);
    return true;
}

static bool parse_text(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    (void)row;
    *wrong_out = "holds more than printable ASCII";
    for (const char *c = text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            return false;
    return keep(text, out);
}

static bool parse_item(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    if (text[0] != '\0')
        return parse_text(row, text, out, wrong_out);
    *wrong_out = "is empty";
    return false;
}

static bool is_label(struct slice label)
{
    for (size_t i = 0; i < label.size; i++)
        if (!ascii_is_alnum(label.at[i]) && label.at[i] != '-')
            return false;
    return label.size >= 1 && label.size <= 63 && label.at[0] != '-' && label.at[label.size - 1] != '-';
}

/* RFC 1123 section 2.1; the last label is no number, or the name would be taken for an address. */
static bool parse_hostname(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    struct slice rest = slice_of(text), label = rest;
    uint64_t number;
    size_t labels = 0;

    (void)row;
    *wrong_out = "is not a host name";
    if (rest.size == 0 || rest.size > 253 || rest.at[rest.size - 1] == '.')
        return false;
    for (; rest.size > 0; labels++) {
        label = slice_take_until(&rest, '.');
        if (!is_label(label))
            return false;
    }
    *wrong_out = labels < 2 ? "has no domain" : "looks like an address";
    return labels >= 2 && !slice_to_number(label, &number) && keep(text, out);
}

static bool parse_path(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    (void)row;
    *wrong_out = "does not begin with /";
    if (text[0] != '/')
        return false;
    *wrong_out = "is too long";
    return strlen(text) < 4096 && keep(text, out);
}

/* ---- the network's ---- */

static bool parse_endpoint(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    const char *allowed; /* said by the type as well */
    (void)row;
    *wrong_out = "is not an endpoint";
    return endpoint_parse(slice_of(text), out, &allowed);
}

/* "127.0.0.1", "[::1]", or with a port. Not ::1, for who would tell ::1:53 from an address. */
static bool parse_resolver(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    struct endpoint *server = out;
    struct slice address = slice_of(text);
    const char *allowed;
    (void)row;
    *wrong_out = "is no address of a name server";
    if (endpoint_parse(address, server, &allowed))
        return server->kind == ENDPOINT_IP;
    bool is_bracketed = address.size > 2 && address.at[0] == '[' && address.at[address.size - 1] == ']';
    if (is_bracketed)
        address = (struct slice){address.at + 1, address.size - 2};
    *server = (struct endpoint){.kind = ENDPOINT_IP, .port = RESOLVER_PORT};
    return ipaddr_parse(address, &server->address) && is_bracketed == (server->address.family == 6);
}

static bool parse_network(const struct option *row, const char *text, void *out, const char **wrong_out)
{
    (void)row;
    *wrong_out = "is not a network";
    return network_parse(slice_of(text), out);
}

/* ---- the table ---- */

/* clang-format off */
#define ENDPOINT_FORM "192.0.2.1:25, [2001:db8::1]:25 or unix:/path"
#define RESOLVER_FORM "127.0.0.1, [::1], or with a port that is not 53: 127.0.0.1:5353, [::1]:5353"
#define RATE_FORM "a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"
#define NETWORK_FORM "192.0.2.0/24, 2001:db8::/32 or an address, with no bit set behind the prefix"
static const struct value_type types[] = {
    [OPTION_END]       = {NULL, 0, NULL, NULL},
    [OPTION_TEXT]      = {"text",      sizeof(const char *),     parse_text,     "printable ASCII; in quotes where it holds blanks"},
    [OPTION_HOSTNAME]  = {"host name", sizeof(const char *),     parse_hostname, "a fully qualified host name like mx1.example.org"},
    [OPTION_PATH]      = {"path",      sizeof(const char *),     parse_path,     "an absolute path"},
    [OPTION_COUNT]     = {"number",    sizeof(int64_t),          parse_count,    "a whole number"},
    [OPTION_POINTS]    = {"points",    sizeof(int64_t),          parse_points,   NULL},
    [OPTION_SIZE]      = {"size",      sizeof(int64_t),          parse_size,     "octets, or with one of the units K, M, G"},
    [OPTION_TIME]      = {"time",      sizeof(int64_t),          parse_time,     "a time with its unit: ms, s, m, h, d, w"},
    [OPTION_FLAG]      = {"flag",      sizeof(bool),             parse_flag,     "yes, no"},
    [OPTION_CHOICE]    = {"choice",    sizeof(int),              parse_choice,   NULL},
    [OPTION_CHOICES]   = {"choices",   sizeof(unsigned),         parse_choices,  NULL},
    [OPTION_ENDPOINT]  = {"endpoint",  sizeof(struct endpoint),  parse_endpoint, ENDPOINT_FORM},
    [OPTION_ENDPOINTS] = {"endpoints", sizeof(struct endpoint),  parse_endpoint, ENDPOINT_FORM},
    [OPTION_RESOLVERS] = {"addresses", sizeof(struct endpoint),  parse_resolver, RESOLVER_FORM},
    [OPTION_TEXTS]     = {"texts",     sizeof(const char *),     parse_item,     "printable ASCII; in quotes where it holds blanks"},
    [OPTION_NETWORKS]  = {"networks",  sizeof(struct network),   parse_network,  NETWORK_FORM},
    [OPTION_RATES]     = {"rates",     sizeof(struct rate),      parse_rate,     RATE_FORM},
    [OPTION_STEPS]     = {"steps",     sizeof(struct score_step),      parse_step,     "points and a time, like 2:2s, 5:10s, the points ascending"},
    [OPTION_REFERENCE] = {"name",      sizeof(const void *),     NULL,           NULL},
    [OPTION_BLOCK]     = {"block",     0, NULL, NULL},
    [OPTION_BLOCK_AT]  = {"block",     0, NULL, NULL},
};
/* clang-format on */

static const struct value_type *type_of(const struct option *row)
{
    must((size_t)row->type < sizeof types / sizeof types[0]);
    return &types[row->type];
}

size_t config_value_size(const struct option *row)
{
    return type_of(row)->size;
}

const char *config_type_name(const struct option *row)
{
    return type_of(row)->name;
}

static void print_choices(const char *choices, char text[CONFIG_ERROR_MAX])
{
    size_t used = 0;
    for (; *choices != '\0' && used < CONFIG_ERROR_MAX - 3; choices++) {
        text[used++] = *choices == '|' ? ',' : *choices;
        if (*choices == '|')
            text[used++] = ' ';
    }
    text[used] = '\0';
}

static void print_combined(const char *choices, char text[CONFIG_ERROR_MAX])
{
    print_choices(choices, text);
    size_t used = strlen(text);
    snprintf(text + used, CONFIG_ERROR_MAX - used, ", or several with + between them");
}

void config_type_allowed(const struct option *row, char text[CONFIG_ERROR_MAX])
{
    const char *form = type_of(row)->form;

    if (row->type == OPTION_CHOICE)
        print_choices(row->allowed, text);
    else if (row->type == OPTION_CHOICES)
        print_combined(row->allowed, text);
    else if (row->type == OPTION_POINTS)
        snprintf(text, CONFIG_ERROR_MAX, "-%s..%s, a whole number", row->allowed, row->allowed);
    else if (row->type == OPTION_REFERENCE)
        snprintf(text, CONFIG_ERROR_MAX, "the name of a %s", row->allowed);
    else if (row->allowed != NULL)
        snprintf(text, CONFIG_ERROR_MAX, "%s, %s", row->allowed, form);
    else
        snprintf(text, CONFIG_ERROR_MAX, "%s", form != NULL ? form : "");
}

bool config_value_parse(const struct option *row, const char *text, void *out, char error[CONFIG_ERROR_MAX])
{
    const char *wrong = "";
    char shown[CONFIG_SHOWN_MAX], allowed[CONFIG_ERROR_MAX];

    must(type_of(row)->parse != NULL);
    if (type_of(row)->parse(row, text, out, &wrong))
        return true;
    config_type_allowed(row, allowed);
    snprintf(error, CONFIG_ERROR_MAX, "%s %s; allowed: %.200s", config_show(text, shown), wrong, allowed);
    return false;
}
