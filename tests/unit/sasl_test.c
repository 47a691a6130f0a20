/* SPDX-License-Identifier: ISC
 *
 * sasl: which mechanisms there are, what base64 is, and whose login is in what a client says; never a password.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "workers/smtp/command.h"
#include "workers/smtp/sasl.h"

static void names_and_bits(void **unused)
{
    static const char *const refused[] = {
        "EXTERNAL", "ANONYMOUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "DIGEST-MD5", "NTLM", "GSSAPI", "PLAI",
        "PLAINX",   ""};
    uint32_t all = 0;
    (void)unused;
    for (size_t i = 0; i < AUTH_MECHANISMS; i++) {
        uint32_t bit = sasl_mechanism(slice_of(auth_mechanism_rows[i].text));
        assert_int_equal(bit, auth_mechanism_rows[i].bit);
        assert_string_equal(sasl_name(bit), auth_mechanism_rows[i].text);
        all |= bit;
    }
    assert_int_equal(all, KEYWORDS_AUTH);
    assert_int_equal(sasl_mechanism(slice_of("cram-md5")), KEYWORD_AUTH_CRAM_MD5);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(sasl_mechanism(slice_of(refused[i])), 0);
    assert_string_equal(sasl_name(0), "none");
}

static const struct {
    struct slice text;
    bool is_base64;
} texts[] = {
    /* clang-format off */
    { SLICE(""),                true },
    { SLICE("AGFubgBzZWNyZXQ="), true },
    { SLICE("AA=="),            true },
    { SLICE("+/09"),            true },
    { SLICE("="),               false },
    { SLICE("=="),              false },
    { SLICE("===="),            false },
    { SLICE("A==="),            false },
    { SLICE("*"),               false },
    { SLICE("A"),               false },
    { SLICE("AAA"),             false },
    { SLICE("AA=A"),            false },
    { SLICE("AA==AAAA"),        false },
    { SLICE("AAAA===="),        false },
    { SLICE("AAAA AAA"),        false },
    { SLICE(" AAA"),            false },
    { SLICE("AAA\0"),           false },
    { SLICE("AA\r\n"),          false },
    { SLICE("AA-_"),            false },
    { SLICE("\xc3\xbc\xc3\xbc"), false },
    /* clang-format on */
};

static void base64_is_strict(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(sasl_is_base64(texts[i].text), texts[i].is_base64);
}

static const struct {
    uint32_t mechanism;
    struct slice said;
    const char *login;
} logins[] = {
    /* clang-format off */
    { KEYWORD_AUTH_PLAIN,         SLICE("\0ann\0secret"),                  "ann" },
    { KEYWORD_AUTH_PLAIN,         SLICE("boss\0ann@example.org\0secret"),  "ann@example.org" },
    { KEYWORD_AUTH_PLAIN,         SLICE("\0ann\0"),                        "ann" },
    { KEYWORD_AUTH_PLAIN,         SLICE("\0ann\0sec\0ret"),                "ann" },
    { KEYWORD_AUTH_PLAIN,         SLICE("\0secret"),                       "" }, /* cut off: it may be a password */
    { KEYWORD_AUTH_PLAIN,         SLICE("secret"),                         "" },
    { KEYWORD_AUTH_PLAIN,         SLICE("\0\0secret"),                     "" },
    { KEYWORD_AUTH_PLAIN,         SLICE("\0a\nb\0secret"),                 "" },
    { KEYWORD_AUTH_PLAIN,         SLICE("\0a\xff\0secret"),                "" },
    { KEYWORD_AUTH_PLAIN,         SLICE("\0a\xc2\x85\0secret"),            "" }, /* C1 */
    { KEYWORD_AUTH_PLAIN,         SLICE("\0j\xc3\xbcrgen x\0secret"),      "j\xc3\xbcrgen x" },
    { KEYWORD_AUTH_LOGIN,         SLICE("ann"),                            "ann" },
    { KEYWORD_AUTH_LOGIN,         SLICE("ann\0secret"),                    "" },
    { KEYWORD_AUTH_LOGIN,         SLICE(""),                               "" },
    { KEYWORD_AUTH_CRAM_MD5,      SLICE("ann 0123456789abcdef"),           "ann" },
    { KEYWORD_AUTH_CRAM_MD5,      SLICE("ann lee 0123456789abcdef"),       "ann lee" },
    { KEYWORD_AUTH_CRAM_MD5,      SLICE("0123456789abcdef"),               "" },
    { KEYWORD_AUTH_CRAM_MD5,      SLICE(" 0123456789abcdef"),              "" },
    { KEYWORD_AUTH_SCRAM_SHA_1,   SLICE("n,,n=ann,r=nonce"),               "ann" },
    { KEYWORD_AUTH_SCRAM_SHA_256, SLICE("y,a=boss,n=ann,r=nonce"),         "ann" },
    { KEYWORD_AUTH_SCRAM_SHA_256, SLICE("n,,n=a=2Cb=3Dc,r=nonce"),         "a,b=c" },
    { KEYWORD_AUTH_SCRAM_SHA_256, SLICE("n,,n=a=b,r=nonce"),               "" },
    { KEYWORD_AUTH_SCRAM_SHA_256, SLICE("n,,n=a=2,r=nonce"),               "" },
    { KEYWORD_AUTH_SCRAM_SHA_256, SLICE("n,,m=ext,n=ann,r=nonce"),         "" },
    { KEYWORD_AUTH_SCRAM_SHA_256, SLICE("n,,r=nonce"),                     "" },
    { KEYWORD_AUTH_SCRAM_SHA_256, SLICE("n"),                              "" },
    { KEYWORD_AUTH_XOAUTH2,       SLICE("user=ann@example.org\1auth=Bearer token\1\1"), "ann@example.org" },
    { KEYWORD_AUTH_XOAUTH2,       SLICE("auth=Bearer token\1user=ann\1\1"), "" },
    { KEYWORD_AUTH_XOAUTH2,       SLICE("user="),                          "" },
    { KEYWORD_AUTH_OAUTHBEARER,   SLICE("n,a=ann@example.org,\1host=h\1auth=Bearer token\1\1"), "ann@example.org" },
    { KEYWORD_AUTH_OAUTHBEARER,   SLICE("n,a=a=2Cb,\1auth=Bearer token\1\1"), "a,b" },
    { KEYWORD_AUTH_OAUTHBEARER,   SLICE("n,,\1auth=Bearer token\1\1"),     "" },
    { 0,                          SLICE("\0ann\0secret"),                  "" },
    { KEYWORDS_AUTH,              SLICE("\0ann\0secret"),                  "" },
    /* clang-format on */
};

static struct slice encoded(struct slice octets)
{
    static char text[2 * COMMAND_AUTH_LINE_MAX];
    int size = EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)octets.at, (int)octets.size);
    return slice_make(text, (size_t)size);
}

static void the_login_is_found(void **unused)
{
    char login[SASL_LOGIN_MAX + 1];
    (void)unused;
    for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
        memset(login, 'x', sizeof(login));
        sasl_login(logins[i].mechanism, encoded(logins[i].said), login);
        assert_string_equal(login, logins[i].login);
    }
}

/* What is no login leaves nothing behind in its place. */
static void what_is_none_leaves_nothing(void **unused)
{
    static const char zero[SASL_LOGIN_MAX + 1];
    char login[SASL_LOGIN_MAX + 1];
    static const struct slice said[] = {SLICE("="), SLICE("*"), SLICE("AAA"), SLICE("AA\0="), SLICE("AP8Ac2VjcmV0")};
    (void)unused;
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        memset(login, 'x', sizeof(login));
        sasl_login(KEYWORD_AUTH_PLAIN, said[i], login);
        assert_memory_equal(login, zero, sizeof(zero));
    }
}

static void the_longest(void **unused)
{
    static char said[COMMAND_AUTH_LINE_MAX];
    char login[SASL_LOGIN_MAX + 1];
    (void)unused;
    memset(said, 'a', sizeof(said));
    sasl_login(KEYWORD_AUTH_LOGIN, encoded(slice_make(said, SASL_LOGIN_MAX)), login);
    assert_int_equal(strlen(login), SASL_LOGIN_MAX);
    sasl_login(KEYWORD_AUTH_LOGIN, encoded(slice_make(said, SASL_LOGIN_MAX + 1)), login);
    assert_string_equal(login, "");
    said[3] = said[0] = '\0';
    sasl_login(KEYWORD_AUTH_PLAIN, encoded(slice_make(said, COMMAND_AUTH_LINE_MAX / 4 * 3)), login);
    assert_string_equal(login, "aa");
    sasl_login(KEYWORD_AUTH_PLAIN, encoded(slice_make(said, COMMAND_AUTH_LINE_MAX)), login);
    assert_string_equal(login, ""); /* longer than any line */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_bits),     cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(the_login_is_found), cmocka_unit_test(what_is_none_leaves_nothing),
        cmocka_unit_test(the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
