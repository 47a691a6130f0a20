/* SPDX-License-Identifier: ISC
 *
 * Compiled networks against a naive oracle: random ones of both families, nested, doubled, adjacent, and all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "common/netset.h"

enum { NETWORKS_MAX = 3000, ROUNDS = 60 };

static struct network networks[NETWORKS_MAX];
static uint32_t values[NETWORKS_MAX];
static size_t count;
static struct netset_draft draft;

static uint64_t draw(uint64_t below)
{
    static uint64_t state = 88172645463325252u; /* xorshift */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static uint32_t oracle(const struct ipaddr *address)
{
    uint32_t found = NETSET_NONE;
    int longest = -1;
    for (size_t i = 0; i < count; i++) {
        if (networks[i].prefix > longest && network_holds(&networks[i], address)) {
            longest = networks[i].prefix;
            found = values[i];
        }
    }
    return found;
}

static void add(const struct network *network, uint32_t value)
{
    networks[count] = *network;
    values[count++] = value;
    assert_true(netset_add(&draft, network, value));
}

static struct network network_from(const char *text)
{
    struct network network;
    assert_true(network_parse(slice_of(text), &network));
    return network;
}

static void add_text(const char *text, uint32_t value)
{
    struct network network = network_from(text);
    add(&network, value);
}

static struct netset compile(void)
{
    struct netset set;
    assert_true(netset_compile(&draft, &set));
    assert_null(draft.ipv4.items);
    assert_null(draft.ipv6.items);
    return set;
}

static void look(const struct netset *set, const struct ipaddr *address)
{
    uint32_t found = netset_find(set, address), expected = oracle(address);
    char text[IPADDR_TEXT_MAX];
    ipaddr_print(address, text);
    if (found != expected)
        fail_msg("%s: %u, not %u", text, found, expected);
}

/* One before or one behind it. */
static struct ipaddr beside(struct ipaddr address, int by)
{
    for (int i = address.family == 4 ? 3 : 15; i >= 0; i--) {
        address.bytes[i] = (uint8_t)(address.bytes[i] + by);
        if (address.bytes[i] != (by > 0 ? 0 : 255))
            break;
    }
    return address;
}

/* Few octets differ, so that networks nest and touch. */
static struct ipaddr draw_address(uint8_t family, uint64_t width)
{
    struct ipaddr address = {.family = family};
    for (int i = 0; i < (family == 4 ? 4 : 16); i++)
        address.bytes[i] = (uint8_t)(draw(4) == 0 ? draw(256) : draw(width) * (256 / width));
    return address;
}

static void look_around(const struct netset *set, const struct network *network)
{
    struct ipaddr last = network->address;
    for (unsigned bit = network->prefix; bit < (last.family == 4 ? 32u : 128u); bit++)
        last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    const struct ipaddr before = beside(network->address, -1), behind = beside(last, 1);
    look(set, &network->address);
    look(set, &last);
    look(set, &before);
    look(set, &behind);
}

static void forget(struct netset *set)
{
    netset_clear(set);
    assert_null(set->memory);
    count = 0;
}

static void random_networks_are_found_as_the_naive_way_does(void **unused)
{
    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        size_t wanted = round < 20 ? (size_t)round : draw(round == ROUNDS - 1 ? NETWORKS_MAX : 300);
        uint64_t width = 1u << (1 + draw(3));
        for (size_t i = 0; i < wanted; i++) {
            uint8_t family = draw(2) == 0 ? 4 : 6;
            struct ipaddr address = draw_address(family, width);
            struct network network = network_of(&address, (unsigned)draw(family == 4 ? 33 : 129));
            if (i > 0 && draw(10) == 0)
                network = networks[draw(i)];
            add(&network, (uint32_t)draw(1000));
        }
        struct netset set = compile();
        for (size_t i = 0; i < count; i++)
            look_around(&set, &networks[i]);
        for (int i = 0; i < 500; i++) {
            struct ipaddr address = draw_address(draw(2) == 0 ? 4 : 6, width);
            look(&set, &address);
        }
        forget(&set);
    }
}

static void everything_and_single_addresses(void **unused)
{
    static const char *const texts[] = {"0.0.0.0/0",
                                        "::/0",
                                        "0.0.0.0",
                                        "255.255.255.255",
                                        "::",
                                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                        "192.0.2.7",
                                        "192.0.2.0/24",
                                        "192.0.2.0/25",
                                        "192.0.2.6/31",
                                        "2001:db8::/32",
                                        "2001:db8::1/128",
                                        "128.0.0.0/1",
                                        "8000::/1"};
    (void)unused;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        add_text(texts[i], (uint32_t)i);
    struct netset set = compile();
    for (size_t i = 0; i < count; i++)
        look_around(&set, &networks[i]);
    forget(&set);
}

static void of_all_ipv6_no_ipv4_is_a_part(void **unused)
{
    struct network all = network_from("::/0"), mapped = network_from("::ffff:192.0.2.0/120");
    struct ipaddr ipv4;
    (void)unused;
    assert_true(ipaddr_parse(slice_of("192.0.2.1"), &ipv4));
    add(&all, 1);
    struct netset set = compile();
    assert_int_equal(netset_find(&set, &ipv4), NETSET_NONE);
    forget(&set);
    add(&mapped, 2); /* is an IPv4 network */
    set = compile();
    assert_int_equal(netset_find(&set, &ipv4), 2);
    forget(&set);
}

static void of_equal_networks_the_first_one_counts(void **unused)
{
    (void)unused;
    add_text("192.0.2.0/24", 7);
    add_text("192.0.2.0/24", 3);
    add_text("192.0.2.0/24", 5);
    struct netset set = compile();
    assert_int_equal(netset_find(&set, &networks[0].address), 7);
    forget(&set);
}

static void an_empty_set_holds_nobody(void **unused)
{
    struct netset none = {0}, set;
    struct ipaddr address = {.family = 4}, nobody = {.family = 0};
    (void)unused;
    assert_int_equal(netset_find(&none, &address), NETSET_NONE);
    set = compile();
    assert_int_equal(netset_find(&set, &address), NETSET_NONE);
    assert_int_equal(netset_find(&set, &nobody), NETSET_NONE);
    address.family = 6;
    assert_int_equal(netset_find(&set, &address), NETSET_NONE);
    forget(&set);
}

static void what_is_compiled_cannot_be_made_writable(void **unused)
{
    (void)unused;
    add_text("192.0.2.0/24", 7);
    struct netset set = compile();
    assert_int_equal(mprotect((void *)(uintptr_t)set.memory, set.size, PROT_READ | PROT_WRITE), -1);
    forget(&set);
}

static void a_draft_that_is_given_up_leaves_nothing(void **unused)
{
    (void)unused;
    add_text("192.0.2.0/24", 7);
    add_text("2001:db8::/32", 7);
    netset_clear_draft(&draft);
    assert_int_equal(draft.ipv4.count + draft.ipv6.count, 0);
    count = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_networks_are_found_as_the_naive_way_does),
        cmocka_unit_test(everything_and_single_addresses),
        cmocka_unit_test(of_all_ipv6_no_ipv4_is_a_part),
        cmocka_unit_test(of_equal_networks_the_first_one_counts),
        cmocka_unit_test(an_empty_set_holds_nobody),
        cmocka_unit_test(what_is_compiled_cannot_be_made_writable),
        cmocka_unit_test(a_draft_that_is_given_up_leaves_nothing),
    };
    return cmocka_run_group_tests_name("netset", tests, NULL, NULL);
}
