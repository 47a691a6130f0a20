/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/buffer.h"
#include "workers/smtp/address.h"
#include "workers/smtp/command.h"
#include "workers/smtp/sasl.h"

enum { DECODED_MAX = COMMAND_AUTH_LINE_MAX / 4 * 3, CONTROL_A = 1 };

static const struct slice NOBODY = {"", 0};

/* -- base64 -- */

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Of a text of whole fours. */
static size_t padding_of(struct slice text)
{
    size_t count = 0;
    while (count < 2 && count < text.size && text.at[text.size - 1 - count] == '=')
        count++;
    return count;
}

bool sasl_is_base64(struct slice text)
{
    if (text.size % 4 != 0)
        return false;
    size_t padding = padding_of(text);
    for (size_t i = 0; i < text.size - padding; i++) {
        if (value_of(text.at[i]) < 0)
            return false;
    }
    return true;
}

static struct slice decode(struct slice text, char to[DECODED_MAX])
{
    uint32_t bits = 0;
    size_t size = 0;
    text.size -= padding_of(text);
    for (size_t i = 0; i < text.size; i++) {
        bits = bits << 6 | (uint32_t)value_of(text.at[i]);
        if (i % 4 != 0)
            to[size++] = (char)(unsigned char)(bits >> (6 - i % 4 * 2));
    }
    return slice_make(to, size);
}

/* -- whose login it is -- */

/* RFC 4616: [whom to act for] NUL login NUL password. */
static struct slice find_plain(struct slice said)
{
    slice_take_until(&said, '\0');
    return slice_has(said, '\0') ? slice_take_until(&said, '\0') : NOBODY;
}

/* draft-murchison-sasl-login: the first answer is the name. */
static struct slice find_login(struct slice said)
{
    return said;
}

/* RFC 2195: login, a blank, digest. The login may hold blanks, the digest does not. */
static struct slice find_cram(struct slice said)
{
    while (said.size > 0 && said.at[said.size - 1] != ' ')
        said.size--;
    return said.size > 0 ? slice_make(said.at, said.size - 1) : NOBODY;
}

static struct slice value_after(struct slice attribute, const char *name)
{
    size_t size = strlen(name);
    if (attribute.size < size || memcmp(attribute.at, name, size) != 0)
        return NOBODY;
    slice_drop(&attribute, size);
    return attribute;
}

/* RFC 5802: flag, [a=whom to act for], n=login, r=nonce. */
static struct slice find_scram(struct slice said)
{
    slice_take_until(&said, ',');
    slice_take_until(&said, ',');
    return value_after(slice_take_until(&said, ','), "n=");
}

/* Google's: user=login ^A auth=Bearer token ^A ^A. */
static struct slice find_xoauth2(struct slice said)
{
    return value_after(slice_take_until(&said, CONTROL_A), "user=");
}

/* RFC 7628: flag, a=login, then key=value pairs between ^As. */
static struct slice find_oauthbearer(struct slice said)
{
    slice_take_until(&said, ',');
    return value_after(slice_take_until(&said, ','), "a=");
}

struct mechanism {
    uint32_t bit;
    struct slice (*find)(struct slice said);
    bool escapes; /* "," and "=" as =2C and =3D (RFC 5801) */
};

static const struct mechanism mechanisms[AUTH_MECHANISMS] = {
    {KEYWORD_AUTH_PLAIN, find_plain, false},
    {KEYWORD_AUTH_LOGIN, find_login, false},
    {KEYWORD_AUTH_CRAM_MD5, find_cram, false},
    {KEYWORD_AUTH_SCRAM_SHA_1, find_scram, true},
    {KEYWORD_AUTH_SCRAM_SHA_256, find_scram, true},
    {KEYWORD_AUTH_XOAUTH2, find_xoauth2, false},
    {KEYWORD_AUTH_OAUTHBEARER, find_oauthbearer, true},
};

uint32_t sasl_mechanism(struct slice name)
{
    return keyword_find(auth_mechanism_rows, AUTH_MECHANISMS, name);
}

const char *sasl_name(uint32_t mechanism)
{
    for (size_t i = 0; i < AUTH_MECHANISMS; i++) {
        if (auth_mechanism_rows[i].bit == mechanism)
            return auth_mechanism_rows[i].text;
    }
    return "none";
}

static const struct mechanism *mechanism_of(uint32_t bit)
{
    for (size_t i = 0; i < AUTH_MECHANISMS; i++) {
        if (mechanisms[i].bit == bit)
            return &mechanisms[i];
    }
    return NULL;
}

/* A "=" that begins neither of the two is no login. */
static bool put_unescaped(struct buffer *to, struct slice name)
{
    bool fits = true;
    while (fits && name.size > 0) {
        bool comma = slice_starts_nocase(name, "=2C"), equals = slice_starts_nocase(name, "=3D");
        char c = comma ? ',' : *name.at;
        fits = (c != '=' || equals) && buffer_put_char(to, c);
        slice_drop(&name, comma || equals ? 3 : 1);
    }
    return fits;
}

static bool keep(const struct mechanism *mechanism, struct slice name, char login_out[SASL_LOGIN_MAX + 1])
{
    struct buffer to;
    buffer_init(&to, login_out, SASL_LOGIN_MAX);
    bool fits = mechanism->escapes ? put_unescaped(&to, name) : buffer_put(&to, name);
    return fits && utf8_is_printable(buffer_unread(&to));
}

void sasl_login(uint32_t mechanism, struct slice said, char login_out[SASL_LOGIN_MAX + 1])
{
    char decoded[DECODED_MAX];
    const struct mechanism *found = mechanism_of(mechanism);
    memset(login_out, 0, SASL_LOGIN_MAX + 1);
    if (found == NULL || said.size > COMMAND_AUTH_LINE_MAX || !sasl_is_base64(said))
        return;
    struct slice clear = decode(said, decoded);
    if (!keep(found, found->find(clear), login_out))
        explicit_bzero(login_out, SASL_LOGIN_MAX + 1);
    explicit_bzero(decoded, clear.size);
}
