/* SPDX-License-Identifier: ISC */
#include "workers/smtp/parameters.h"

#include "workers/smtp/address.h"
#include "workers/smtp/extensions.h"
#include "workers/smtp/xtext.h"

enum { SIZE_DIGITS_MAX = 20, ENVID_MAX = 256, ORCPT_MAX = 1024 };

/* One parameter: `parse` puts its value into a struct of its command and says whether it is one. */
struct parameter {
    const char *name;
    uint32_t keyword; /* the extension that brings it */
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

static bool parse_size(struct slice value, void *out)
{
    struct mail_parameters *mail = out;
    mail->has_size = true;
    return value.size <= SIZE_DIGITS_MAX && slice_to_number(value, &mail->size);
}

static const struct choice bodies[] = {{"7BIT", BODY_7BIT}, {"8BITMIME", BODY_8BITMIME}, {0}};

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

static const struct parameter mail_table[] = {
    {"SIZE", KEYWORD_SIZE, true, parse_size},
    {"BODY", KEYWORD_8BITMIME, true, parse_body},
    {"SMTPUTF8", KEYWORD_SMTPUTF8, false, parse_smtputf8},
    {"RET", KEYWORD_DSN, true, parse_ret},
    {"ENVID", KEYWORD_DSN, true, parse_envid},
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
    return parse_all(mail_table, text, keywords, out, culprit_out);
}

enum parameter_fault rcpt_parameters_parse(struct slice text, uint32_t keywords, struct rcpt_parameters *out,
                                           struct slice *culprit_out)
{
    *out = (struct rcpt_parameters){0};
    return parse_all(rcpt_table, text, keywords, out, culprit_out);
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

bool mail_parameters_print(struct buffer *to, const struct mail_parameters *mail, uint32_t keywords)
{
    bool fits = true;
    if (mail->has_size && (keywords & KEYWORD_SIZE))
        fits = buffer_print(to, " SIZE=%llu", (unsigned long long)mail->size);
    /* BODY=7BIT is what is meant without it, so inside need not know it. */
    if (mail->body == BODY_8BITMIME || (mail->body == BODY_7BIT && (keywords & KEYWORD_8BITMIME)))
        fits = fits && print_parameter(to, "BODY", slice_of(find_word(bodies, mail->body)));
    if (mail->smtputf8)
        fits = fits && buffer_put_text(to, " SMTPUTF8");
    if (mail->ret != RET_NONE)
        fits = fits && print_parameter(to, "RET", slice_of(find_word(rets, mail->ret)));
    if (mail->envid.size > 0)
        fits = fits && print_parameter(to, "ENVID", mail->envid);
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
    if (mail->smtputf8)
        need |= KEYWORD_SMTPUTF8;
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
