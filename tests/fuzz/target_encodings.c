/* SPDX-License-Identifier: ISC
 *
 * xtext, base64, the login in what a client says at AUTH, and moments. xtext of any octets, decoded, is these octets;
 * what is valid has no control character when it is decoded. Base64 is judged by its grammar. A login has no control
 * character and is UTF-8. A moment is printed as it was read, and one behind the other in the order of their numbers.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/fuzz/target.h"
#include "workers/smtp/address.h"
#include "workers/smtp/datetime.h"
#include "workers/smtp/sasl.h"
#include "workers/smtp/xtext.h"

enum { ROOM = 1 << 16 };

static void check_xtext(struct slice input)
{
    static char encoded[3 * ROOM + 2], decoded[ROOM];
    struct buffer to, back;
    buffer_init(&to, encoded, sizeof encoded);
    law(xtext_print(&to, input), "xtext that does not fit");
    struct slice text = buffer_unread(&to);
    for (size_t i = 0; i < text.size; i++)
        law(text.at[i] > ' ' && text.at[i] <= '~' && text.at[i] != '=', "an odd octet in xtext");
    buffer_init(&back, decoded, sizeof decoded);
    law(xtext_decode(&back, text) && law_same(buffer_unread(&back), input), "xtext there and back is something else");
    buffer_clear(&back);
    if (!xtext_is_valid(input, true))
        return;
    law(xtext_decode(&back, input), "valid xtext that is not decoded");
    law(law_is_clean(buffer_unread(&back)), "a control character in xtext");
    if (xtext_is_valid(input, false))
        for (size_t i = 0; i < input.size; i++)
            law((unsigned char)input.at[i] < 0x80, "an 8-bit octet in xtext");
}

static bool is_base64(struct slice text)
{
    size_t size = text.size;
    if (size % 4 != 0)
        return false;
    for (int i = 0; i < 2 && size > 0 && text.at[size - 1] == '='; i++)
        size--;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text.at[i]) && text.at[i] != '+' && text.at[i] != '/')
            return false;
    return true;
}

static void check_sasl(struct slice input)
{
    char login[SASL_LOGIN_MAX + 1];
    law(!sasl_is_base64(input) || is_base64(input), "that is no base64");
    for (size_t i = 0; i < AUTH_MECHANISMS; i++) {
        sasl_login(auth_mechanism_rows[i].bit, input, login);
        law(memchr(login, '\0', sizeof login) != NULL, "a login without end");
        law(law_is_clean(slice_of(login)) && utf8_is_valid(slice_of(login)), "a login that is not printable");
    }
    uint32_t mechanism = sasl_mechanism(input);
    law(mechanism == 0 || slice_equal_nocase(slice_of(sasl_name(mechanism)), input), "another mechanism");
}

static void check_datetime(struct slice input)
{
    char memory[64], expected[64];
    uint64_t seconds, again;
    struct buffer to;
    if (!datetime_parse(input, &seconds))
        return;
    buffer_init(&to, memory, sizeof memory);
    law(datetime_print(&to, seconds), "a moment that is not printed");
    time_t moment = (time_t)seconds;
    struct tm tm;
    gmtime_r(&moment, &tm);
    strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm);
    law(law_same(buffer_unread(&to), slice_of(expected)), "another moment: %.*s, %s", SLICE_ARGS(buffer_unread(&to)),
        expected);
    law(datetime_parse(buffer_unread(&to), &again) && again == seconds, "another moment");
    law(strncmp(input.at, expected, 19) == 0 || input.at[17] == '6', "another moment"); /* :60 is a leap second */
}

FUZZ
{
    input.size = input.size < ROOM ? input.size : ROOM;
    check_xtext(input);
    check_sasl(input);
    check_datetime(input);
}
