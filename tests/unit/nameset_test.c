/* SPDX-License-Identifier: ISC
 *
 * Compiled names: which form of a name counts, and random ones against a naive oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "common/nameset.h"

enum { NAMES_MAX = 4000, TEXT_MAX = 32 };

static char names[NAMES_MAX][TEXT_MAX];
static uint32_t values[NAMES_MAX];
static struct nameset_draft draft;

static void add(const char *name, uint32_t value)
{
    assert_true(nameset_add(&draft, slice_of(name), value));
}

static struct nameset compile(void)
{
    struct nameset set;
    assert_true(nameset_compile(&draft, &set));
    assert_null(draft.octets);
    return set;
}

static uint32_t find(const struct nameset *set, const char *name)
{
    return nameset_find(set, slice_of(name));
}

static uint32_t find_domain(const struct nameset *set, const char *name)
{
    return nameset_find_domain(set, slice_of(name));
}

static uint32_t find_address(const struct nameset *set, const char *local, const char *domain)
{
    return nameset_find_address(set, slice_of(local), slice_of(domain));
}

static uint64_t draw(uint64_t below)
{
    static uint64_t state = 88172645463325252u; /* xorshift */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static uint32_t oracle(size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(names[i], name) == 0)
            return values[i];
    return NAMESET_NONE;
}

static void draw_name(char name[TEXT_MAX])
{
    size_t size = draw(4);
    for (size_t i = 0; i < size; i++)
        name[i] = "aAbBcC.@"[draw(8)];
    snprintf(name + size, TEXT_MAX - size, "%u", (unsigned)draw(50));
}

static void random_names_are_found_as_the_naive_way_does(void **unused)
{
    (void)unused;
    for (size_t count = 0; count < NAMES_MAX; count = count * 3 + 1) {
        char other[TEXT_MAX];
        for (size_t i = 0; i < count; i++) {
            draw_name(names[i]);
            values[i] = (uint32_t)draw(1000);
            add(names[i], values[i]);
        }
        struct nameset set = compile();
        for (size_t i = 0; i < count; i++)
            assert_int_equal(find(&set, names[i]), oracle(count, names[i]));
        for (int i = 0; i < 2000; i++) {
            draw_name(other);
            assert_int_equal(find(&set, other), oracle(count, other));
        }
        nameset_clear(&set);
    }
}

static void of_a_domain_the_longest_form_counts(void **unused)
{
    (void)unused;
    add("mail.Example.ORG", 1);
    add(".example.org", 2);
    add(".org", 3);
    add("example.net", 4);
    struct nameset set = compile();
    assert_int_equal(find_domain(&set, "MAIL.example.org"), 1);
    assert_int_equal(find_domain(&set, "mail.example.org."), 1);
    assert_int_equal(find_domain(&set, "a.mail.example.org"), 2);
    assert_int_equal(find_domain(&set, "example.org"), 3);
    assert_int_equal(find_domain(&set, "xample.org"), 3);
    assert_int_equal(find_domain(&set, "org"), NAMESET_NONE);
    assert_int_equal(find_domain(&set, "example.net"), 4);
    assert_int_equal(find_domain(&set, "www.example.net"), NAMESET_NONE);
    assert_int_equal(find_domain(&set, ""), NAMESET_NONE);
    assert_int_equal(find_domain(&set, "."), NAMESET_NONE);
    nameset_clear(&set);
}

static void of_an_address_the_whole_one_counts_then_its_domain_then_its_local_part(void **unused)
{
    (void)unused;
    add("ann@example.org", 1);
    add("example.org", 2);
    add(".example.org", 3);
    add("Root@", 4);
    struct nameset set = compile();
    assert_int_equal(find_address(&set, "Ann", "Example.org"), 1);
    assert_int_equal(find_address(&set, "ann", "example.org."), 1);
    assert_int_equal(find_address(&set, "bob", "example.org"), 2);
    assert_int_equal(find_address(&set, "root", "example.org"), 2);
    assert_int_equal(find_address(&set, "root", "a.b.example.org"), 3);
    assert_int_equal(find_address(&set, "ROOT", "example.net"), 4);
    assert_int_equal(find_address(&set, "bob", "example.net"), NAMESET_NONE);
    assert_int_equal(find_address(&set, "", ""), NAMESET_NONE);
    nameset_clear(&set);
}

static void of_equal_names_the_first_one_counts(void **unused)
{
    (void)unused;
    add("a.example", 7);
    add("A.example", 3);
    add("a.EXAMPLE", 5);
    struct nameset set = compile();
    assert_int_equal(find(&set, "a.example"), 7);
    nameset_clear(&set);
}

static void names_that_are_too_long_are_in_no_set(void **unused)
{
    static char longest[NAMESET_NAME_MAX + 2];
    (void)unused;
    memset(longest, 'x', NAMESET_NAME_MAX);
    add(longest, 1);
    struct nameset set = compile();
    assert_int_equal(find(&set, longest), 1);
    longest[NAMESET_NAME_MAX] = 'x';
    assert_int_equal(find(&set, longest), NAMESET_NONE);
    assert_int_equal(find_domain(&set, longest), NAMESET_NONE);
    assert_int_equal(find_address(&set, longest, "example.org"), NAMESET_NONE);
    nameset_clear(&set);
}

static void an_empty_set_holds_nothing(void **unused)
{
    struct nameset none = {0};
    (void)unused;
    assert_int_equal(find(&none, "a"), NAMESET_NONE);
    assert_int_equal(find_domain(&none, "a"), NAMESET_NONE);
    assert_int_equal(find_address(&none, "a", "b"), NAMESET_NONE);
    struct nameset set = compile();
    assert_int_equal(find(&set, "a"), NAMESET_NONE);
    assert_int_equal(find(&set, ""), NAMESET_NONE);
    assert_int_equal(find_address(&set, "a", "b"), NAMESET_NONE);
    assert_int_equal(mprotect((void *)(uintptr_t)set.memory, set.size, PROT_READ | PROT_WRITE), -1);
    nameset_clear(&set);
    assert_null(set.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_names_are_found_as_the_naive_way_does),
        cmocka_unit_test(of_a_domain_the_longest_form_counts),
        cmocka_unit_test(of_an_address_the_whole_one_counts_then_its_domain_then_its_local_part),
        cmocka_unit_test(of_equal_names_the_first_one_counts),
        cmocka_unit_test(names_that_are_too_long_are_in_no_set),
        cmocka_unit_test(an_empty_set_holds_nothing),
    };
    return cmocka_run_group_tests_name("nameset", tests, NULL, NULL);
}
