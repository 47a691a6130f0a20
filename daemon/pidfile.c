/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/pidfile.h"
#include "daemon/rundir.h"

enum { PID_TEXT_MAX = 24, PIDFILE_MODE = 0644, WHY_MAX = 128 };

static const int PIDFILE_FLAGS = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

/* An old one, or a new one that nobody else slipped in. */
static int open_file(const char *path)
{
    int fd = open(path, PIDFILE_FLAGS);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    return open(path, PIDFILE_FLAGS | O_CREAT | O_EXCL, PIDFILE_MODE);
}

static bool is_ours(int fd)
{
    struct stat file;
    return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == geteuid() && file.st_nlink == 1;
}

/* Does the name still lead to the file that is open? */
static bool is_in_place(const struct pidfile *file)
{
    struct stat named, held;
    return lstat(file->path, &named) == 0 && fstat(file->fd, &held) == 0 && named.st_dev == held.st_dev &&
           named.st_ino == held.st_ino;
}

static bool write_pid(int fd)
{
    char text[PID_TEXT_MAX];
    int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)size, 0) == size;
}

static bool refuse(struct pidfile *file, char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "pid file %s: %s", file->path, reason);
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
    return false;
}

static bool refuse_locked(struct pidfile *file, char *why, size_t why_size)
{
    char reason[64] = "another process holds it";
    struct flock holder = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(file->fd, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK)
        snprintf(reason, sizeof(reason), "already running as process %d", (int)holder.l_pid);
    return refuse(file, why, why_size, reason);
}

bool pidfile_create(struct pidfile *file, const char *path, char *why, size_t why_size)
{
    char reason[WHY_MAX];
    *file = (struct pidfile){.fd = -1};
    if (path == NULL)
        return true;
    if (snprintf(file->path, sizeof(file->path), "%s", path) >= (int)sizeof(file->path))
        return refuse(file, why, why_size, "its name is too long");
    if (!rundir_prepare(path, RUNDIR_MODE, reason, sizeof(reason)))
        return refuse(file, why, why_size, reason);
    file->fd = open_file(path);
    if (file->fd < 0)
        return refuse(file, why, why_size, strerror(errno));
    if (!is_ours(file->fd))
        return refuse(file, why, why_size, "not a plain file of our own; remove it");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(file->fd, F_SETLK, &lock) != 0)
        return refuse_locked(file, why, why_size);
    if (!is_in_place(file))
        return refuse(file, why, why_size, "another process removed it just now; try again");
    if (!write_pid(file->fd))
        return refuse(file, why, why_size, strerror(errno));
    return true;
}

void pidfile_remove(struct pidfile *file)
{
    if (file->fd < 0)
        return;
    if (is_in_place(file))
        unlink(file->path);
    close(file->fd);
    file->fd = -1;
}
