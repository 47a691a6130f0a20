/* SPDX-License-Identifier: ISC
 *
 * postern.conf, of any octets: reader, lexer, libconfuse, and the structs of a listener, a backend and a policy filled.
 * It is loaded, or refused with one line that names the file; what is loaded is within what its options allow. The file
 * lies alone in a directory of its own, so that there is nothing to include but itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "tests/fuzz/target.h"
#include "workers/service.h"

struct listener {
    const char *name;
    struct session_options session;
};
struct root {
    const char *hostname;
    struct block_list listeners, backends, policies;
};

static const struct option_group listener_groups[] = {{session_option_rows, offsetof(struct listener, session)}, {0}};
static const struct block listener_block = {.name = "listener",
                                            .size = sizeof(struct listener),
                                            .titled = true,
                                            .groups = listener_groups,
                                            .title_offset = offsetof(struct listener, name)};
static struct option root_rows[] = {
    {.name = "hostname", .type = OPTION_HOSTNAME, .offset = offsetof(struct root, hostname)},
    {.name = "listener", .type = OPTION_BLOCK, .offset = offsetof(struct root, listeners), .block = &listener_block},
    {.name = "backend", .type = OPTION_BLOCK, .offset = offsetof(struct root, backends), .block = &backend_block},
    {.name = "policy", .type = OPTION_BLOCK, .offset = offsetof(struct root, policies)},
    {0}};
static const struct option_group root_groups[] = {{root_rows, 0}, {0}};
static const struct block root_block = {.size = sizeof(struct root), .groups = root_groups};

static char directory[] = "/tmp/postern-fuzz-XXXXXX", path[64];

static void leave(void)
{
    unlink(path);
    rmdir(directory);
}

static void write_file(struct slice text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(text.at, 1, text.size, file) != text.size || fclose(file) != 0)
        abort();
}

static void begin(void)
{
    if (path[0] != '\0')
        return;
    umask(077);
    if (mkdtemp(directory) == NULL)
        abort();
    snprintf(path, sizeof path, "%s/c", directory);
    root_rows[3].block = policy_block();
    atexit(leave);
}

static void check_filled(const struct root *root)
{
    for (size_t i = 0; i < root->listeners.count; i++) {
        const struct session_options *session = &((const struct listener *)block_at(&root->listeners, i))->session;
        law(session->backend != NULL && session->policy != NULL, "a reference to nothing");
        law(session->max_errors >= 1 && session->max_errors <= 1000, "max_errors of %lld",
            (long long)session->max_errors);
        law(session->command_timeout_ms >= 1000 && session->command_timeout_ms <= 3600000,
            "a time-out beyond its range");
        law(session->backend->servers.count > 0, "a backend without servers");
    }
}

/* One line, which names the file; a TAB in it is the file's own. */
static void check_refusal(char *why)
{
    for (char *at = why; *at != '\0'; at++)
        *at = *at == '\t' ? ' ' : *at;
    law(why[0] != '\0' && law_is_clean(slice_of(why)) && strstr(why, path) != NULL, "refused in odd words: %s", why);
}

FUZZ
{
    static const struct text_list none;
    char why[1024] = "";
    begin();
    write_file(input);
    struct config *config = config_load_with(path, &root_block, &none, why, sizeof why);
    if (config != NULL)
        check_filled(config_root(config));
    else
        check_refusal(why);
    config_free(&config);
}
