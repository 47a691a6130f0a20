/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#include "daemon/watch.h"

enum { LINKS_MAX = 40 }; /* as the kernel follows */

static const uint64_t FNV_BASIS = 0xcbf29ce484222325, FNV_PRIME = 0x100000001b3;

/* Whole changes only: not each write, nor that somebody (this master, too) reads. */
static const uint32_t CHANGES = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB |
                                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/* A way is walked as the kernel would: `behind` has no links in it, `ahead` is what is still to go. */
struct walk {
    int inotify;
    int links;
    char behind[PATH_MAX]; /* "" is the root */
    char ahead[PATH_MAX];
};

static void complain(const char *path, int error)
{
    struct record r;
    record_begin(&r, "watch-failed");
    record_string(&r, "path", path);
    record_string(&r, "error", strerror(error));
    record_send(&r, LEVEL_WARNING);
}

static void watch_here(const struct walk *walk)
{
    const char *directory = walk->behind[0] != '\0' ? walk->behind : "/";
    if (inotify_add_watch(walk->inotify, directory, CHANGES) < 0)
        complain(directory, errno);
}

/* The next name of the way, taken off `ahead`; "" at the end. */
static void take_name(struct walk *walk, char name[NAME_MAX + 1])
{
    const char *from = walk->ahead + strspn(walk->ahead, "/");
    size_t size = strcspn(from, "/");
    snprintf(name, NAME_MAX + 1, "%.*s", (int)size, from);
    memmove(walk->ahead, from + size, strlen(from + size) + 1);
}

static void go_up(struct walk *walk)
{
    char *slash = strrchr(walk->behind, '/');
    if (slash != NULL)
        *slash = '\0';
}

static bool print_path(char to[PATH_MAX], const char *directory, const char *name)
{
    int size = snprintf(to, PATH_MAX, "%s/%s", directory, name);
    return size >= 0 && size < PATH_MAX;
}

/* The link's text goes before what was ahead. */
static bool follow(struct walk *walk, const char *target)
{
    char ahead[PATH_MAX];
    if (++walk->links > LINKS_MAX || !print_path(ahead, target, walk->ahead))
        return false;
    memcpy(walk->ahead, ahead, sizeof(ahead));
    if (*target == '/')
        walk->behind[0] = '\0';
    return true;
}

enum step { STEP_ON, STEP_END, STEP_LOST };

/* Where a name is missing, or is no directory although more is ahead, the way ends: its directory tells when that
 * changes. */
static enum step step_over(struct walk *walk, const char *name)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct stat about;
    if (!print_path(path, walk->behind, name))
        return STEP_LOST;
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    if (size > 0) {
        target[size] = '\0';
        watch_here(walk);
        return follow(walk, target) ? STEP_ON : STEP_LOST;
    }
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) {
        watch_here(walk);
        return STEP_END;
    }
    memcpy(walk->behind, path, sizeof(path));
    return STEP_ON;
}

static void watch_file(int inotify, const char *file)
{
    struct walk walk = {.inotify = inotify};
    char name[NAME_MAX + 1];
    enum step step = print_path(walk.ahead, "", file) ? STEP_ON : STEP_LOST;
    while (step == STEP_ON) {
        take_name(&walk, name);
        if (name[0] == '\0') {
            watch_here(&walk); /* it is a directory itself */
            step = STEP_END;
        } else if (strcmp(name, "..") == 0)
            go_up(&walk);
        else if (strcmp(name, ".") != 0)
            step = step_over(&walk, name);
    }
    if (step == STEP_LOST)
        complain(file, walk.links > LINKS_MAX ? ELOOP : ENAMETOOLONG);
}

int watch_open(const char *const *files, int count)
{
    int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inotify < 0)
        complain(NULL, errno);
    for (int i = 0; i < count && inotify >= 0; i++)
        watch_file(inotify, files[i]);
    return inotify;
}

/* -- what the files are (FNV-1a, 64 bits; whoever can make two marks equal can write these files anyway) */

static uint64_t mix(uint64_t mark, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        mark = (mark ^ (value >> (8 * i) & 0xff)) * FNV_PRIME;
    return mark;
}

static uint64_t mix_time(uint64_t mark, const struct timespec *at)
{
    return mix(mix(mark, (uint64_t)at->tv_sec), (uint64_t)at->tv_nsec);
}

uint64_t watch_mark(const char *const *files, int count)
{
    uint64_t mark = FNV_BASIS;
    for (int i = 0; i < count; i++) {
        struct stat is;
        if (stat(files[i], &is) != 0) {
            mark = mix(mark, (uint64_t)errno);
            continue;
        }
        mark = mix(mix(mix(mark, is.st_dev), is.st_ino), (uint64_t)is.st_size);
        mark = mix_time(mix_time(mark, &is.st_mtim), &is.st_ctim);
    }
    return mark;
}
