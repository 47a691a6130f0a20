/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/sink/maildir.h"

static bool make_directory(const char *path, const char *below)
{
    char name[PATH_MAX];
    int size = snprintf(name, sizeof name, "%s%s", path, below);
    if (size < 0 || (size_t)size >= sizeof name) {
        errno = ENAMETOOLONG;
        return false;
    }
    return mkdir(name, 0700) == 0 || errno == EEXIST;
}

bool maildir_make(const char *path)
{
    return make_directory(path, "") && make_directory(path, "/tmp") && make_directory(path, "/new") &&
           make_directory(path, "/cur");
}

static void place(const struct maildir_message *m, const char *path, const char *below, char out[PATH_MAX])
{
    if (snprintf(out, PATH_MAX, "%s/%s/%s", path, below, m->name) >= PATH_MAX)
        out[0] = '\0'; /* open and rename will say ENOENT */
}

/* Names sort in the order of arrival, whichever process took the message. */
void maildir_begin(struct maildir_message *m, const char *path, uint64_t connection, uint64_t message)
{
    char name[PATH_MAX];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(m->name, sizeof m->name, "%lld.M%06ldP%ldQ%" PRIu64 "_%" PRIu64 ".sink", (long long)now.tv_sec,
             now.tv_nsec / 1000, (long)getpid(), connection, message);
    place(m, path, "tmp", name);
    m->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    m->failed = m->fd < 0;
}

void maildir_write(struct maildir_message *m, const char *octets, size_t size)
{
    while (size > 0 && !m->failed) {
        ssize_t written = write(m->fd, octets, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            m->failed = true;
            return;
        }
        octets += written;
        size -= (size_t)written;
    }
}

static void put_away(struct maildir_message *m)
{
    if (m->fd >= 0 && close(m->fd) < 0)
        m->failed = true;
    m->fd = -1;
}

bool maildir_commit(struct maildir_message *m, const char *path)
{
    char from[PATH_MAX], to[PATH_MAX];
    put_away(m);
    place(m, path, "tmp", from);
    place(m, path, "new", to);
    if (!m->failed && rename(from, to) == 0)
        return true;
    unlink(from);
    return false;
}

void maildir_drop(struct maildir_message *m, const char *path)
{
    char name[PATH_MAX];
    if (m->fd < 0)
        return;
    put_away(m);
    place(m, path, "tmp", name);
    unlink(name);
}
