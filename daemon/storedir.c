/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#include "daemon/storedir.h"

enum { STOREDIR_MODE = 0700 };

static void complain(const char *directory, const char *step, int error)
{
    struct record r;
    record_begin(&r, "store");
    record_string(&r, "state", "failing");
    record_string(&r, "directory", directory);
    record_string(&r, "why", step);
    record_string(&r, "error", strerror(error));
    record_send(&r, LEVEL_ERROR);
}

/* Through the descriptor of what was made here: in a directory where others may write, another could lie there now. */
static bool give_away(const char *directory, const struct identity *identity)
{
    struct stat is;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool given = fstat(fd, &is) == 0 && is.st_uid == geteuid() && fchown(fd, identity->uid, identity->gid) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return given;
}

void storedir_make(const struct store_options *options, const struct identity *identity)
{
    if (options == NULL || options->directory == NULL)
        return;
    if (mkdir(options->directory, STOREDIR_MODE) != 0) {
        if (errno != EEXIST)
            complain(options->directory, "cannot make the directory", errno);
        return;
    }
    if (!identity->change || give_away(options->directory, identity))
        return;
    complain(options->directory, "cannot give the directory to the workers' user", errno);
    rmdir(options->directory);
}
