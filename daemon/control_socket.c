/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/control.h"

#include "daemon/control_socket.h"
#include "daemon/rundir.h"

/* Many who ask at once wait here; who finds even this full is told at once. */
enum { BACKLOG = 128, OWNER_ONLY = 0600, WITH_GROUP = 0660, WHY_MAX = 128 };

static const gid_t NOBODYS = (gid_t)-1; /* nor any change: chown(2) */

static bool failed(const char *path, const char *what, char *why, size_t why_size)
{
    snprintf(why, why_size, "control socket %s: %s: %s", path, what, strerror(errno));
    return false;
}

static bool set_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

/* A full queue is a living master's, too. */
static bool somebody_listens(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool listens = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return listens;
}

/* Nothing is there, or a socket that its master left behind. */
static bool place_is_free(const struct sockaddr_un *at, char *why, size_t why_size)
{
    struct stat is;
    if (lstat(at->sun_path, &is) != 0)
        return errno == ENOENT || failed(at->sun_path, "cannot look", why, why_size);
    if (!S_ISSOCK(is.st_mode)) {
        snprintf(why, why_size, "control socket %s: something else is there, and stays", at->sun_path);
        return false;
    }
    if (!somebody_listens(at))
        return true;
    snprintf(why, why_size, "control socket %s: another posternd answers there; stop it, or set control_socket",
             at->sun_path);
    return false;
}

static bool find_group(const char *name, gid_t *gid_out, char *why, size_t why_size)
{
    errno = 0;
    const struct group *entry = name != NULL ? getgrnam(name) : NULL;
    *gid_out = entry != NULL ? entry->gr_gid : NOBODYS;
    if (name != NULL && entry == NULL)
        snprintf(why, why_size, "control_group %s: %s", name, errno != 0 ? strerror(errno) : "there is no such group");
    return name == NULL || entry != NULL;
}

static bool prepare_directory(const char *path, char *why, size_t why_size)
{
    char reason[WHY_MAX];
    if (rundir_prepare(path, RUNDIR_MODE, reason, sizeof(reason)))
        return true;
    snprintf(why, why_size, "control socket %s: %s", path, reason);
    return false;
}

/* The mode is there from the first moment: by the umask, since a change afterwards would follow a link. Nobody gets in
 * before it listens, and then its group is the right one. */
static int bind_closed(const struct sockaddr_un *at, mode_t mode)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(at->sun_path); /* of a process that had our number */
    mode_t before = umask(~mode & 0777);
    int bound = fd >= 0 ? bind(fd, (const struct sockaddr *)at, sizeof(*at)) : -1;
    umask(before);
    if (bound == 0)
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static bool put_in_place(struct control_socket *s, const char *made, gid_t gid)
{
    return (gid == NOBODYS || lchown(made, (uid_t)-1, gid) == 0) && listen(s->fd, BACKLOG) == 0 &&
           lstat(made, &s->is) == 0 && rename(made, s->path) == 0;
}

bool control_socket_open(struct control_socket *s, const char *path, const char *group, char *why, size_t why_size)
{
    char name[sizeof(s->path) * 2];
    struct sockaddr_un made, wanted;
    gid_t gid;
    *s = (struct control_socket){.fd = -1};
    snprintf(name, sizeof(name), "%s.%d", path, (int)getpid());
    if (!set_address(&wanted, path) || !set_address(&made, name))
        return failed(path, "cannot listen", why, why_size);
    if (!find_group(group, &gid, why, why_size) || !prepare_directory(path, why, why_size) ||
        !place_is_free(&wanted, why, why_size))
        return false;
    memcpy(s->path, wanted.sun_path, sizeof(s->path));
    s->fd = bind_closed(&made, gid == NOBODYS ? OWNER_ONLY : WITH_GROUP);
    if (s->fd < 0)
        return failed(path, "cannot listen", why, why_size);
    if (put_in_place(s, made.sun_path, gid))
        return true;
    failed(path, "cannot listen", why, why_size);
    unlink(made.sun_path);
    close(s->fd);
    s->fd = -1;
    return false;
}

static bool is_still_ours(const struct control_socket *s)
{
    struct stat is;
    return s->fd >= 0 && lstat(s->path, &is) == 0 && is.st_dev == s->is.st_dev && is.st_ino == s->is.st_ino;
}

void control_socket_move_aside(struct control_socket *s)
{
    char aside[sizeof(s->path)];
    if (strlen(s->path) + sizeof(CONTROL_DRAINING) > sizeof(aside) || !is_still_ours(s))
        return;
    snprintf(aside, sizeof(aside), "%.*s%s", (int)(sizeof(aside) - sizeof(CONTROL_DRAINING)), s->path,
             CONTROL_DRAINING);
    if (rename(s->path, aside) == 0)
        memcpy(s->path, aside, sizeof(s->path));
}

void control_socket_close(struct control_socket *s)
{
    if (is_still_ours(s))
        unlink(s->path);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void control_socket_write(const struct control_socket *s, struct legacy *to)
{
    legacy_begin(to, "control");
    legacy_put_string(to, "path", s->path);
    legacy_put_fd(to, "fd", s->fd);
    legacy_put_number(to, "device", (int64_t)s->is.st_dev);
    legacy_put_number(to, "inode", (int64_t)s->is.st_ino);
    legacy_end(to);
}

bool control_socket_read(struct control_socket *s, struct legacy *from)
{
    struct legacy_record r = {0};
    *s = (struct control_socket){.fd = -1};
    if (!legacy_next(from, "control", &r))
        return false;
    s->fd = legacy_fd(&r, "fd");
    legacy_text(&r, "path", s->path, sizeof(s->path));
    s->is.st_dev = (dev_t)legacy_number(&r, "device", INT64_MIN, INT64_MAX);
    s->is.st_ino = (ino_t)legacy_number(&r, "inode", INT64_MIN, INT64_MAX);
    return true;
}
