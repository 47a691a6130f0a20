/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/listed_file.h"
#include "daemon/listed_line.h"

enum { FILE_MODE = 0600, FILE_MAX = 1024 * 1024, COMPLAINTS_MAX = 20 };

#define NEW ".new"

static const char HEAD[] =
    "# Whom posternctl(8) blocked and allowed. posternd reads this when it starts, and writes it "
    "anew when the list changes:\n# edit it while posternd does not run.\n";

/* -- reading */

struct reading {
    struct listed *to;
    time_t now;
    listed_file_complaint *complain;
    void *context;
    int line, complaints;
};

static void complain(struct reading *reading, int line, const char *why)
{
    if (reading->complaints++ < COMPLAINTS_MAX)
        reading->complain(reading->context, line, why);
    else if (reading->complaints == COMPLAINTS_MAX + 1)
        reading->complain(reading->context, 0, "there are more such lines");
}

static void take_line(struct reading *reading, struct slice text)
{
    struct listed_line line;
    const char *why;
    reading->line++;
    enum listed_line_kind kind = listed_line_read(text, &line, &why);
    if (kind == LISTED_LINE_BAD)
        complain(reading, reading->line, why);
    if (kind != LISTED_LINE_GOOD || (line.entry.until_s != 0 && line.entry.until_s <= reading->now))
        return;
    if (!listed_add(reading->to, &line.entry, line.reason, reading->now))
        complain(reading, reading->line, "there is no room for more entries");
}

static bool is_fit(int fd, struct stat *is, const char **why)
{
    *why = NULL;
    if (fstat(fd, is) != 0)
        *why = strerror(errno);
    else if (!S_ISREG(is->st_mode))
        *why = "it is no file";
    else if (is->st_size > FILE_MAX)
        *why = "it is larger than 1 MiB";
    else if ((is->st_mode & (S_IWGRP | S_IWOTH)) != 0 || (is->st_uid != 0 && is->st_uid != geteuid()))
        *why = "it may be written by group or others";
    return *why == NULL;
}

static bool read_all(int fd, char *text, size_t *size_out)
{
    ssize_t got = 1;
    for (*size_out = 0; got > 0 && *size_out < FILE_MAX; *size_out += (size_t)(got > 0 ? got : 0))
        got = read(fd, text + *size_out, FILE_MAX - *size_out);
    return got >= 0;
}

static void read_lines(int fd, struct reading *reading)
{
    size_t size;
    char *text = malloc(FILE_MAX);
    if (text == NULL || !read_all(fd, text, &size)) {
        complain(reading, 0, strerror(errno));
        free(text);
        return;
    }
    for (struct slice rest = slice_make(text, size); rest.size > 0;)
        take_line(reading, slice_take_until(&rest, '\n'));
    free(text);
}

void listed_file_read(struct listed_file *file, struct listed *to, time_t now, listed_file_complaint *complaint,
                      void *context)
{
    struct reading reading = {.to = to, .now = now, .complain = complaint, .context = context};
    struct stat is;
    const char *why;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT)
            complain(&reading, 0, strerror(errno));
        return;
    }
    if (!is_fit(fd, &is, &why))
        complain(&reading, 0, why);
    else
        read_lines(fd, &reading);
    if (reading.complaints == 0)
        file->is = is;
    close(fd);
}

/* -- writing */

static bool fail(char *why, size_t why_size, const char *what, const char *path)
{
    snprintf(why, why_size, "%s %s: %s", what, path, strerror(errno));
    return false;
}

static bool is_as_left(const struct listed_file *file, const struct stat *is)
{
    return is->st_dev == file->is.st_dev && is->st_ino == file->is.st_ino && is->st_size == file->is.st_size &&
           is->st_mtim.tv_sec == file->is.st_mtim.tv_sec && is->st_mtim.tv_nsec == file->is.st_mtim.tv_nsec;
}

/* By a second name, so that there is no moment without the file. */
static bool save(const struct listed_file *file, bool *saved_out, char *why, size_t why_size)
{
    char aside[PATH_MAX];
    struct stat is;
    *saved_out = false;
    if (lstat(file->path, &is) != 0)
        return errno == ENOENT || fail(why, why_size, "cannot look at", file->path);
    if (is_as_left(file, &is))
        return true;
    if (snprintf(aside, sizeof(aside), "%s" LISTED_FILE_SAVED, file->path) >= (int)sizeof(aside))
        errno = ENAMETOOLONG;
    else if ((unlink(aside) == 0 || errno == ENOENT) && link(file->path, aside) == 0)
        *saved_out = true;
    return *saved_out || fail(why, why_size, "cannot keep what is in", file->path);
}

static bool put_entries(FILE *to, const struct listed *from, time_t now)
{
    bool written = fputs(HEAD, to) >= 0;
    for (int i = 0; written && i < LISTED_MAX; i++) {
        struct listed_entry entry;
        char reason[LISTED_REASON_MAX], memory[LISTED_LINE_MAX];
        struct buffer line;
        if (!listed_read(from, i, now, &entry, reason))
            continue;
        buffer_init(&line, memory, sizeof(memory));
        listed_line_print(&line, &entry, reason);
        written = fprintf(to, "%.*s\n", SLICE_ARGS(buffer_unread(&line))) > 0;
    }
    return written;
}

static bool put_file(int fd, const struct listed *from, time_t now, struct stat *is_out)
{
    FILE *to = fdopen(fd, "w");
    if (to == NULL) {
        close(fd);
        return false;
    }
    bool written = put_entries(to, from, now) && fflush(to) == 0 && fsync(fd) == 0 && fstat(fd, is_out) == 0;
    int error = errno;
    bool closed = fclose(to) == 0;
    if (!written)
        errno = error;
    return written && closed;
}

/* The new name is on disk, too. A file system that cannot has done what it can. */
static void sync_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash - path >= (ptrdiff_t)sizeof(directory) - 1)
        return;
    snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path) + 1, path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static bool replace(struct listed_file *file, const char *made, const struct listed *from, time_t now)
{
    struct stat is;
    unlink(made); /* of a write that did not come to its end */
    int fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return false;
    if (put_file(fd, from, now, &is) && rename(made, file->path) == 0) {
        file->is = is;
        sync_directory(file->path);
        return true;
    }
    int error = errno;
    unlink(made);
    errno = error;
    return false;
}

bool listed_file_write(struct listed_file *file, const struct listed *from, time_t now, bool *saved_out, char *why,
                       size_t why_size)
{
    char made[PATH_MAX];
    if (!save(file, saved_out, why, why_size))
        return false;
    if (snprintf(made, sizeof(made), "%s" NEW, file->path) >= (int)sizeof(made)) {
        errno = ENAMETOOLONG;
        return fail(why, why_size, "cannot write", file->path);
    }
    return replace(file, made, from, now) || fail(why, why_size, "cannot write", made);
}
