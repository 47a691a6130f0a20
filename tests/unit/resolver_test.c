/* SPDX-License-Identifier: ISC
 *
 * resolver: who is asked comes from the options, or from resolv.conf, whatever stands there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "workers/resolver.h"

static void settle_from(struct resolver *out, const char *text)
{
    static const struct resolver_options options = {.try_ms = 2000, .deadline_ms = 10000};
    char path[] = "/tmp/postern-resolver-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    resolver_settle(out, &options, path);
    unlink(path);
}

static void assert_server(const struct resolver *resolver, int i, const char *wanted)
{
    char text[ENDPOINT_TEXT_MAX];
    assert_true(i < resolver->count);
    endpoint_print(&resolver->servers[i], text);
    assert_string_equal(text, wanted);
}

static void the_name_servers_of_resolv_conf_are_taken_in_order(void **state)
{
    struct resolver resolver;
    (void)state;
    settle_from(&resolver,
                "# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1  x\n"
                "nameserver ns.example\noptions timeout:1\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n");
    assert_int_equal(resolver.count, 3);
    assert_server(&resolver, 0, "192.0.2.1:53");
    assert_server(&resolver, 1, "[2001:db8::1]:53");
    assert_server(&resolver, 2, "192.0.2.3:53");
    assert_int_equal(resolver.deadline_ms, 10000);
}

static void without_any_it_is_this_machine(void **state)
{
    static const struct resolver_options options = {.try_ms = 1};
    struct resolver resolver;
    (void)state;
    settle_from(&resolver, "search example.org\n");
    assert_int_equal(resolver.count, 1);
    assert_server(&resolver, 0, "127.0.0.1:53");
    resolver_settle(&resolver, &options, "/nonexistent/resolv.conf");
    assert_server(&resolver, 0, "127.0.0.1:53");
}

static void those_that_are_configured_are_asked_alone(void **state)
{
    struct endpoint own = {.kind = ENDPOINT_IP, .address = {4, {127, 0, 0, 1}}, .port = 5353};
    struct resolver_options options = {.servers = {&own, 1}, .try_ms = 1};
    struct resolver resolver;
    (void)state;
    resolver_settle(&resolver, &options, "/etc/resolv.conf");
    assert_int_equal(resolver.count, 1);
    assert_server(&resolver, 0, "127.0.0.1:5353");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_servers_of_resolv_conf_are_taken_in_order),
        cmocka_unit_test(without_any_it_is_this_machine),
        cmocka_unit_test(those_that_are_configured_are_asked_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
