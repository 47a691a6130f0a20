/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/version.h"

#include "daemon/takeover.h"
#include "daemon/wayback.h"

static const char PROGRAM[] = "program";

static const struct {
    const char *word;
    enum takeover_how how;
} WORDS[] = {{"to", TAKEOVER_TO}, {"trial", TAKEOVER_TRIAL}, {"back", TAKEOVER_BACK}};

static enum takeover_how take_how(struct slice *rest)
{
    struct slice word = slice_take_word(rest);
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (slice_equal(word, slice_of(WORDS[i].word)))
            return WORDS[i].how;
    return TAKEOVER_NONE;
}

static int take_fd(struct slice *rest)
{
    uint64_t number;
    return slice_to_number(slice_take_word(rest), &number) && number > STDERR_FILENO && number < INT32_MAX ? (int)number
                                                                                                           : -1;
}

/* What ps and top show: of a program that was executed by its descriptor it is that descriptor's number. */
static void take_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    prctl(PR_SET_NAME, slash != NULL ? slash + 1 : path);
}

static bool read_program(struct takeover *takeover, struct program *program)
{
    struct legacy *from = &takeover->legacy;
    struct legacy_record r = {0};
    if (!legacy_next(from, PROGRAM, &r)) {
        legacy_be_bad(from, PROGRAM, "there is no such record");
        return false;
    }
    legacy_number(&r, "format", TAKEOVER_FORMAT, TAKEOVER_FORMAT);
    legacy_text(&r, "version", takeover->version, sizeof(takeover->version));
    legacy_text(&r, "path", program->path, sizeof(program->path));
    legacy_text(&r, "config", program->config, sizeof(program->config));
    take_name(program->path);
    return true;
}

static bool refuse(char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "%s", reason);
    return false;
}

bool takeover_begin(struct takeover *takeover, struct program *program, char *why, size_t why_size)
{
    const char *value = getenv(LEGACY_VARIABLE);
    *takeover = (struct takeover){.legacy = LEGACY_NONE};
    if (value == NULL)
        return true;
    struct slice rest = slice_of(value);
    takeover->how = take_how(&rest);
    int fd = take_fd(&rest), before = takeover->how == TAKEOVER_TO ? take_fd(&rest) : -1;
    rest = slice_trim(rest);
    snprintf(takeover->why, sizeof(takeover->why), "%.*s", SLICE_ARGS(rest));
    unsetenv(LEGACY_VARIABLE);
    if (takeover->how == TAKEOVER_NONE || fd < 0 || (takeover->how == TAKEOVER_TO && before < 0))
        return refuse(why, why_size, LEGACY_VARIABLE " is not for people, and makes no sense as it is");
    if (takeover->how == TAKEOVER_TO)
        wayback_arm(fd, before, program->argv);
    if (takeover->how == TAKEOVER_BACK)
        wayback_arm_again(fd, program->fd, program->argv, takeover->why);
    if (!legacy_open(&takeover->legacy, fd, why, why_size))
        return false;
    wayback_watch(&takeover->legacy);
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    return read_program(takeover, program) && legacy_is_good(&takeover->legacy, why, why_size);
}

void takeover_write(struct legacy *to, const struct program *program)
{
    legacy_begin(to, PROGRAM);
    legacy_put_number(to, "format", TAKEOVER_FORMAT);
    legacy_put_string(to, "version", postern_version);
    legacy_put_string(to, "path", program->path);
    legacy_put_string(to, "config", program->config);
    legacy_end(to);
}

void takeover_pass(void)
{
    printf(TAKEOVER_PASSED " version=\"%s\"\n", postern_version);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

void takeover_end(struct takeover *takeover)
{
    if (takeover->how == TAKEOVER_NONE)
        return;
    wayback_disarm();
    legacy_close_left(&takeover->legacy);
    legacy_clear(&takeover->legacy);
}
