/* SPDX-License-Identifier: ISC */
#include "workers/smtp/parameters.h"

#include "workers/smtp/address.h"
#include "workers/smtp/datetime.h"
#include "workers/smtp/extensions.h"
#include "workers/smtp/xtext.h"

enum { SIZE_DIGITS_MAX = 20, ENVID_MAX = 256, ORCPT_MAX = 1024, AUTH_MAX = 500, SECONDS_DIGITS_MAX = 9 };

/* One parameter: `parse` puts its value into a struct of its command and says whether it is one. */
struct parameter {
    const char *name;
    uint32_t keyword; /* the extension that brings it; of several, any */
    bool has_value;
    bool (*parse)(struct slice value, void *out);
};

struct choice {
    const char *word;
    unsigned value;
};

static bool find_choice(struct slice word, const struct choice *choices, unsigned *value_out)
{
    for (; choices->word; choices++)
        if (slice_is_word(word, choices->word)) {
            *value_out = choices->value;
            return true;
        }
    return false;
}

/* ---- MAIL ---- */

static bool is_digits(struct slice value)
{
    for (size_t i = 0; i < value.size; i++)
        if (!ascii_is_digit(value.at[i]))
            return false;
    return true;
}

static bool parse_size(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    mail->has_size = true;
    if (slice_to_number(value, &mail->size))
        return value.size <= SIZE_DIGITS_MAX;
    mail->size = UINT64_MAX; /* twenty digits may be more than we can count: too big, but not wrong (RFC 1870) */
    return value.size == SIZE_DIGITS_MAX && is_digits(value);
}

static const struct choice bodies[] = {
    {"7BIT", BODY_7BIT}, {"8BITMIME", BODY_8BITMIME}, {"BINARYMIME", BODY_BINARYMIME}, {0}};

static bool parse_body(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    unsigned kind;
    if (!find_choice(value, bodies, &kind))
        return false;
    mail->body = (enum body_kind)kind;
    return true;
}

static bool parse_smtputf8(struct slice value, void *out)
{
    (void)value;
    struct mail_parameters *mail = out;
    mail->smtputf8 = true;
    return true;
}

static const struct choice rets[] = {{"FULL", RET_FULL}, {"HDRS", RET_HDRS}, {0}};

static bool parse_ret(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    unsigned kind;
    if (!find_choice(value, rets, &kind))
        return false;
    mail->ret = (enum ret_kind)kind;
    return true;
}

static bool parse_envid(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    mail->envid = value;
    return value.size <= ENVID_MAX && xtext_is_valid(value, false);
}

static bool parse_require_tls(struct slice value, void *out)
{
    (void)value;
    struct mail_parameters *mail = out;
    mail->require_tls = true;
    return true;
}

static bool take_sign(struct slice *value, const char *signs, bool *is_negative)
{
    bool has_sign = value->size > 0 && (*value->at == signs[0] || *value->at == signs[1]);
    *is_negative = has_sign && *value->at == '-';
    if (has_sign)
        slice_drop(value, 1);
    return has_sign;
}

/* RFC 6710 section 4: "-9" to "9", no plus, no zero in front. */
static bool parse_priority(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    bool is_negative;
    bool has_sign = take_sign(&value, "--", &is_negative);
    if (value.size != 1 || !ascii_is_digit(*value.at) || (has_sign && *value.at == '0'))
        return false;
    mail->has_priority = true;
    mail->priority = is_negative ? '0' - *value.at : *value.at - '0';
    return true;
}

static bool parse_seconds(struct slice value, uint64_t *seconds_out)
{
    return value.size <= SECONDS_DIGITS_MAX && slice_to_number(value, seconds_out);
}

/* RFC 4865 section 5: one of the two. */
static bool parse_hold_for(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    return mail->hold_until.size == 0 && parse_seconds(value, &mail->hold_seconds) && mail->hold_seconds > 0;
}

static bool parse_hold_until(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    uint64_t seconds;
    mail->hold_until = value;
    return mail->hold_seconds == 0 && datetime_parse(value, &seconds);
}

/* RFC 2852 section 4: "120;R", "-5;NT". What is to be returned when late cannot be late already. */
static bool parse_by(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    uint64_t seconds;
    bool is_negative;
    struct slice time = slice_take_until(&value, ';');
    take_sign(&time, "+-", &is_negative);
    if (!parse_seconds(time, &seconds) || value.size == 0 || value.size > 2)
        return false;
    char mode = ascii_lower(value.at[0]);
    mail->has_by = true;
    mail->by_seconds = is_negative ? -(int64_t)seconds : (int64_t)seconds;
    mail->by_returns = mode == 'r';
    mail->by_traces = value.size == 2;
    if ((mode != 'r' && mode != 'n') || (mail->by_traces && ascii_lower(value.at[1]) != 't'))
        return false;
    return !mail->by_returns || mail->by_seconds > 0;
}

static bool parse_auth(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    mail->auth = value;
    return value.size <= AUTH_MAX && xtext_is_valid(value, false);
}

static const struct parameter mail_table[] = {
    {"SIZE", KEYWORD_SIZE, true, parse_size},
    {"BODY", KEYWORD_8BITMIME, true, parse_body},
    {"SMTPUTF8", KEYWORD_SMTPUTF8, false, parse_smtputf8},
    {"RET", KEYWORD_DSN, true, parse_ret},
    {"ENVID", KEYWORD_DSN, true, parse_envid},
    {"REQUIRETLS", KEYWORD_REQUIRETLS, false, parse_require_tls},
    {"MT-PRIORITY", KEYWORD_MT_PRIORITY, true, parse_priority},
    {"HOLDFOR", KEYWORD_FUTURERELEASE, true, parse_hold_for},
    {"HOLDUNTIL", KEYWORD_FUTURERELEASE, true, parse_hold_until},
    {"BY", KEYWORD_DELIVERBY, true, parse_by},
    {"AUTH", KEYWORDS_AUTH, true, parse_auth},
    {0},
};

/* ---- RCPT ---- */

static const struct choice notifies[] = {
    {"NEVER", NOTIFY_NEVER}, {"SUCCESS", NOTIFY_SUCCESS}, {"FAILURE", NOTIFY_FAILURE}, {"DELAY", NOTIFY_DELAY}, {0}};

static bool parse_notify(struct slice value, void *out)
{
    struct rcpt_parameters *rcpt = out;
    bool ends_with_comma = value.at[value.size - 1] == ',';
    while (value.size > 0) {
        unsigned one;
        if (!find_choice(slice_take_until(&value, ','), notifies, &one))
            return false;
        rcpt->notify |= one;
    }
    bool never_and_else = (rcpt->notify & NOTIFY_NEVER) && rcpt->notify != NOTIFY_NEVER;
    return !ends_with_comma && !never_and_else;
}

/* The code point of "{HEX}" at the front, taken off; -1 for what is none. */
static int32_t take_embedded_point(struct slice *rest)
{
    if (rest->size == 0 || *rest->at != '{' || !slice_has(*rest, '}'))
        return -1;
    slice_drop(rest, 1);
    struct slice digits = slice_take_until(rest, '}');
    int32_t point = 0;
    if (digits.size == 0 || digits.size > 6)
        return -1;
    for (size_t i = 0; i < digits.size; i++) {
        char c = ascii_lower(digits.at[i]);
        if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
            return -1;
        point = point * 16 + (ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return point;
}

/* RFC 6533 writes what is not ASCII as "\x{HEX}" inside the xtext: a second way to hide a control character. */
static bool utf8_address_is_harmless(struct slice text)
{
    char memory[ORCPT_MAX];
    struct buffer decoded;
    buffer_init(&decoded, memory, sizeof memory);
    if (!xtext_decode(&decoded, text) || !utf8_is_printable(buffer_unread(&decoded)))
        return false;
    struct slice rest = buffer_unread(&decoded);
    while (slice_has(rest, '\\')) {
        slice_take_until(&rest, '\\');
        if (rest.size == 0 || *rest.at != 'x')
            return false;
        slice_drop(&rest, 1);
        if (!code_point_is_printable(take_embedded_point(&rest)))
            return false;
    }
    return true;
}

static bool type_is_valid(struct slice type)
{
    for (size_t i = 0; i < type.size; i++)
        if (!ascii_is_alnum(type.at[i]) && type.at[i] != '-')
            return false;
    return type.size > 0;
}

/* "rfc822;user+2Btag@example.org" */
static bool parse_orcpt(struct slice value, void *out)
{
    struct rcpt_parameters *rcpt = out;
    rcpt->orcpt = value;
    if (value.size > ORCPT_MAX)
        return false;
    struct slice type = slice_take_until(&value, ';');
    bool is_utf8 = slice_is_word(type, "utf-8");
    return type_is_valid(type) && value.size > 0 && xtext_is_valid(value, is_utf8) &&
           (!is_utf8 || utf8_address_is_harmless(value));
}

static const struct parameter rcpt_table[] = {
    {"NOTIFY", KEYWORD_DSN, true, parse_notify},
    {"ORCPT", KEYWORD_DSN, true, parse_orcpt},
    {0},
};

/* ---- both ---- */

static const struct parameter *find_parameter(const struct parameter *table, struct slice name, uint32_t keywords)
{
    while (table->name && !slice_is_word(name, table->name))
        table++;
    return table->name && (table->keyword & keywords) ? table : NULL;
}

static enum parameter_fault parse_one(const struct parameter *table, struct slice word, uint32_t keywords,
                                      unsigned *seen, void *out)
{
    bool has_value = slice_has(word, '=');
    const struct parameter *row = find_parameter(table, slice_take_until(&word, '='), keywords);
    if (!row)
        return PARAMETER_UNKNOWN;
    unsigned bit = 1u << (row - table);
    if (*seen & bit)
        return PARAMETER_DOUBLED;
    *seen |= bit;
    if (has_value != row->has_value || (has_value && word.size == 0))
        return PARAMETER_BAD_VALUE;
    return row->parse(word, out) ? PARAMETER_FINE : PARAMETER_BAD_VALUE;
}

static enum parameter_fault parse_all(const struct parameter *table, struct slice text, uint32_t keywords, void *out,
                                      struct slice *culprit_out)
{
    unsigned seen = 0;
    for (struct slice word; (word = slice_take_word(&text)).size > 0;) {
        enum parameter_fault fault = parse_one(table, word, keywords, &seen, out);
        if (fault != PARAMETER_FINE) {
            *culprit_out = word;
            return fault;
        }
    }
    return PARAMETER_FINE;
}

enum parameter_fault mail_parameters_parse(struct slice text, uint32_t keywords, struct mail_parameters *out,
                                           struct slice *culprit_out)
{
    *out = (struct mail_parameters){0};
    enum parameter_fault fault = parse_all(mail_table, text, keywords, out, culprit_out);
    if (fault != PARAMETER_FINE || out->body != BODY_BINARYMIME || (keywords & KEYWORD_BINARYMIME) != 0)
        return fault;
    *culprit_out = slice_of("BODY=BINARYMIME"); /* an extension of its own, though not a parameter of its own */
    return PARAMETER_BAD_VALUE;
}

void mail_parameters_end_line(struct mail_parameters *mail)
{
    mail->envid.size = mail->hold_until.size = mail->auth.size = 0;
}

enum parameter_fault rcpt_parameters_parse(struct slice text, uint32_t keywords, struct rcpt_parameters *out,
                                           struct slice *culprit_out)
{
    *out = (struct rcpt_parameters){0};
    enum parameter_fault fault = parse_all(rcpt_table, text, keywords, out, culprit_out);
    if (fault != PARAMETER_FINE || (rcpt_parameters_need(out) & ~keywords) == 0)
        return fault;
    *culprit_out = slice_of("ORCPT=utf-8"); /* as it is, where SMTPUTF8 was not offered (RFC 6533 section 3) */
    return PARAMETER_BAD_VALUE;
}

/* ---- printing ---- */

static const char *find_word(const struct choice *choices, unsigned value)
{
    while (choices->word && choices->value != value)
        choices++;
    return choices->word;
}

static bool print_parameter(struct buffer *to, const char *name, struct slice value)
{
    return buffer_put_char(to, ' ') && buffer_put_text(to, name) && buffer_put_char(to, '=') && buffer_put(to, value);
}

static bool print_text(struct buffer *to, const char *name, struct slice value)
{
    return value.size == 0 || print_parameter(to, name, value);
}

/* BODY=7BIT is what is meant without it, so inside need not know it. */
static bool print_body(struct buffer *to, enum body_kind body, uint32_t keywords)
{
    if (body == BODY_NONE || (body == BODY_7BIT && (keywords & KEYWORD_8BITMIME) == 0))
        return true;
    return print_parameter(to, "BODY", slice_of(find_word(bodies, body)));
}

static bool print_urgency(struct buffer *to, const struct mail_parameters *mail)
{
    bool fits = true;
    if (mail->has_priority)
        fits = buffer_print(to, " MT-PRIORITY=%d", mail->priority);
    if (mail->hold_seconds > 0)
        fits = fits && buffer_print(to, " HOLDFOR=%llu", (unsigned long long)mail->hold_seconds);
    if (mail->has_by)
        fits = fits && buffer_print(to, " BY=%lld;%c%s", (long long)mail->by_seconds, mail->by_returns ? 'R' : 'N',
                                    mail->by_traces ? "T" : "");
    return fits && print_text(to, "HOLDUNTIL", mail->hold_until);
}

bool mail_parameters_print(struct buffer *to, const struct mail_parameters *mail, uint32_t keywords)
{
    bool fits = true;
    if (mail->has_size && (keywords & KEYWORD_SIZE))
        fits = buffer_print(to, " SIZE=%llu", (unsigned long long)mail->size);
    fits = fits && print_body(to, mail->body, keywords);
    if (mail->smtputf8)
        fits = fits && buffer_put_text(to, " SMTPUTF8");
    if (mail->require_tls)
        fits = fits && buffer_put_text(to, " REQUIRETLS");
    if (mail->ret != RET_NONE)
        fits = fits && print_parameter(to, "RET", slice_of(find_word(rets, mail->ret)));
    fits = fits && print_text(to, "ENVID", mail->envid) && print_urgency(to, mail);
    if (keywords & KEYWORDS_AUTH)
        fits = fits && print_text(to, "AUTH", mail->auth);
    return fits;
}

static bool print_notify(struct buffer *to, unsigned notify)
{
    bool fits = buffer_put_text(to, " NOTIFY=");
    bool is_first = true;
    for (const struct choice *choice = notifies; choice->word; choice++) {
        if (!(notify & choice->value))
            continue;
        fits = fits && (is_first || buffer_put_char(to, ',')) && buffer_put_text(to, choice->word);
        is_first = false;
    }
    return fits;
}

bool rcpt_parameters_print(struct buffer *to, const struct rcpt_parameters *rcpt)
{
    bool fits = rcpt->notify == 0 || print_notify(to, rcpt->notify);
    if (rcpt->orcpt.size > 0)
        fits = fits && print_parameter(to, "ORCPT", rcpt->orcpt);
    return fits;
}

uint32_t mail_parameters_need(const struct mail_parameters *mail)
{
    uint32_t need = 0;
    if (mail->body == BODY_8BITMIME)
        need |= KEYWORD_8BITMIME;
    if (mail->body == BODY_BINARYMIME)
        need |= KEYWORD_BINARYMIME | KEYWORD_CHUNKING;
    if (mail->smtputf8)
        need |= KEYWORD_SMTPUTF8;
    if (mail->require_tls)
        need |= KEYWORD_REQUIRETLS;
    if (mail->has_priority)
        need |= KEYWORD_MT_PRIORITY;
    if (mail->hold_seconds > 0 || mail->hold_until.size > 0)
        need |= KEYWORD_FUTURERELEASE;
    if (mail->has_by)
        need |= KEYWORD_DELIVERBY;
    if (mail->ret != RET_NONE || mail->envid.size > 0)
        need |= KEYWORD_DSN;
    return need;
}

uint32_t rcpt_parameters_need(const struct rcpt_parameters *rcpt)
{
    uint32_t need = rcpt->notify != 0 || rcpt->orcpt.size > 0 ? KEYWORD_DSN : 0;
    for (size_t i = 0; i < rcpt->orcpt.size; i++)
        if ((unsigned char)rcpt->orcpt.at[i] >= 0x80)
            need |= KEYWORD_SMTPUTF8; /* RFC 6533: as it is only in a transaction that is SMTPUTF8 */
    return need;
}
