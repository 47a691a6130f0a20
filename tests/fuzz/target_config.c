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
#include "tests/lib/root_block.h"

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
    atexit(leave);
}

static void check_filled(const struct root *root)
{
    for (size_t i = 0; i < root->listeners.count; i++) {
        const struct session_options *session = &((const struct root_listener *)block_at(&root->listeners, i))->session;
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
    struct config *config = config_load_with(path, root_block(), &none, why, sizeof why);
    if (config != NULL)
        check_filled(config_root(config));
    else
        check_refusal(why);
    config_free(&config);
}
