/* SPDX-License-Identifier: ISC
 *
 * resolver: who is asked comes from the options, or from resolv.conf, whatever stands there. */
#include "tests/lib/root_block.h"
#include "tests/unit/config_fixture.h"
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

#define REST                                                                                                           \
    "\nlistener mx { backend = b policy = p }\nbackend b { server s { address = 127.0.0.1:1 } pass_client = xclient "  \
    "}\npolicy p { }"
#define ALLOWED "; allowed: 127.0.0.1, [::1], or with a port that is not 53: 127.0.0.1:5353, [::1]:5353"

static void a_port_is_only_named_where_it_is_another_one(void **state)
{
    struct resolver resolver;
    (void)state;
    struct config *config = load_ok(root_block(), "resolver = { 127.0.0.1, [::1], 192.0.2.1:5353 }" REST);
    const struct root *root = config_root(config);
    resolver_settle(&resolver, &root->resolver, "/nonexistent/resolv.conf");
    assert_int_equal(resolver.count, 3);
    assert_server(&resolver, 0, "127.0.0.1:53");
    assert_server(&resolver, 1, "[::1]:53");
    assert_server(&resolver, 2, "192.0.2.1:5353");
    config_free(&config);
}

static void what_is_no_address_of_a_name_server_is_refused(void **state)
{
    static const char *const wrongs[] = {"::1",       "::1:53",      "[127.0.0.1]", "[::1",
                                         "localhost", "127.0.0.1:0", "unix:/dns"};
    char file[1024], why[1024];
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        snprintf(file, sizeof(file), "resolver = '%s'%s", wrongs[i], REST);
        snprintf(why, sizeof(why), "c:1: resolver: \"%s\" is no address of a name server%s", wrongs[i], ALLOWED);
        expect_error(root_block(), file, why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_servers_of_resolv_conf_are_taken_in_order),
        cmocka_unit_test(without_any_it_is_this_machine),
        cmocka_unit_test(those_that_are_configured_are_asked_alone),
        config_test_case(a_port_is_only_named_where_it_is_another_one),
        config_test_case(what_is_no_address_of_a_name_server_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
