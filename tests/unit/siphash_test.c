/* SPDX-License-Identifier: ISC
 *
 * siphash: the values that its authors published, and OpenSSL's as another implementation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/siphash.h"

enum { OCTETS = 300 };

/* Key 00 01 .. 0F, input 00 01 .. of the length that is the index. */
static const uint64_t PUBLISHED[] = {
    0x726FDB47DD0E0E31, 0x74F839C593DC67FD, 0x0D6C8009D9A94F5A, 0x85676696D7FB7E2D,
    0xCF2794E0277187B7, 0x18765564CD99A68D, 0xCBC9466E58FEE3CE, 0xAB0200F58B01D137,
    0x93F5F5799A932462, 0x9E0082DF0BA9E4B0, 0x7A5DBBC594DDB9F3, 0xF4B32F46226BADA7,
    0x751E8FBC860EE5FB, 0x14EA5627C0843D90, 0xF723CA908E7AF2EE, 0xA129CA6149BE45E5,
};

static void fill(uint8_t *octets, size_t size)
{
    for (size_t i = 0; i < size; i++)
        octets[i] = (uint8_t)i;
}

static void the_published_values_come_out(void **state)
{
    (void)state;
    uint8_t key[SIPHASH_KEY_BYTES], input[16];
    fill(key, sizeof(key));
    fill(input, sizeof(input));
    for (size_t size = 0; size < sizeof(PUBLISHED) / sizeof(PUBLISHED[0]); size++)
        assert_true(siphash(key, input, size) == PUBLISHED[size]);
}

static uint64_t by_openssl(EVP_MAC *mac, const uint8_t *key, const uint8_t *input, size_t size)
{
    unsigned wanted = sizeof(uint64_t);
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_uint("size", &wanted), OSSL_PARAM_construct_end()};
    uint8_t out[sizeof(uint64_t)];
    size_t given = 0;
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    assert_true(EVP_MAC_init(context, key, SIPHASH_KEY_BYTES, parameters) == 1);
    assert_true(EVP_MAC_update(context, input, size) == 1);
    assert_true(EVP_MAC_final(context, out, &given, sizeof(out)) == 1);
    EVP_MAC_CTX_free(context);
    assert_int_equal(given, sizeof(out));
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(out); i++)
        value |= (uint64_t)out[i] << 8 * i;
    return value;
}

static void any_input_gives_what_openssl_gives(void **state)
{
    (void)state;
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    assert_non_null(mac);
    uint8_t key[SIPHASH_KEY_BYTES], input[OCTETS];
    srandom(1);
    for (size_t size = 0; size <= OCTETS; size++) {
        for (size_t i = 0; i < sizeof(key); i++)
            key[i] = (uint8_t)random();
        for (size_t i = 0; i < size; i++)
            input[i] = (uint8_t)random();
        assert_true(siphash(key, input, size) == by_openssl(mac, key, input, size));
    }
    EVP_MAC_free(mac);
}

/* An input that does not begin where words do. */
static void where_the_octets_lie_makes_no_difference(void **state)
{
    (void)state;
    uint8_t key[SIPHASH_KEY_BYTES + 1], input[40];
    for (size_t shift = 0; shift < 8; shift++) {
        fill(key + shift % 2, SIPHASH_KEY_BYTES);
        fill(input + shift, 15);
        assert_true(siphash(key + shift % 2, input + shift, 15) == PUBLISHED[15]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_values_come_out),
        cmocka_unit_test(any_input_gives_what_openssl_gives),
        cmocka_unit_test(where_the_octets_lie_makes_no_difference),
    };
    return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
