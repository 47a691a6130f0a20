/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/rundir.h"

static bool refuse(char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "%s", reason);
    return false;
}

static bool refuse_for(char *why, size_t why_size, const char *what, int error)
{
    snprintf(why, why_size, "%s: %s", what, strerror(error));
    return false;
}

/* A user's own group is his; root's has nobody in it but root. */
static bool others_write(const struct stat *is)
{
    bool group = (is->st_mode & S_IWGRP) != 0 && is->st_gid != 0 && is->st_gid != getegid();
    return (group || (is->st_mode & S_IWOTH) != 0) && (is->st_mode & S_ISVTX) == 0;
}

bool rundir_prepare(const char *path, mode_t mode, char *why, size_t why_size)
{
    char directory[PATH_MAX] = ".";
    struct stat is;
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 1 : (int)(slash - path) + 1;
    if (snprintf(directory, sizeof(directory), "%.*s", size, slash == NULL ? "." : path) >= (int)sizeof(directory))
        return refuse(why, why_size, "its name is too long");
    if (mkdir(directory, mode) != 0 && errno != EEXIST)
        return refuse_for(why, why_size, "cannot make its directory", errno);
    if (stat(directory, &is) != 0)
        return refuse_for(why, why_size, "its directory", errno);
    if (is.st_uid != 0 && is.st_uid != geteuid())
        return refuse(why, why_size, "its directory belongs to another user");
    if (others_write(&is))
        return refuse(why, why_size, "others may write in its directory");
    return true;
}
