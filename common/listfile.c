/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/listfile.h"

/* -- the file -- */

static const char *what_is_wrong_with(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "is not a plain file";
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "may be written by group or others, who could then say whose mail passes; say chmod go-w";
    if (st->st_size > LISTFILE_BYTES_MAX)
        return "is larger than 64 MiB";
    return NULL;
}

/* What is there, up to a size that was true a moment ago. */
static bool read_all(int fd, size_t size, struct listfile *file)
{
    ssize_t got = 1;
    file->octets = malloc(size + 1);
    if (file->octets == NULL)
        return false;
    while (file->size < size && got > 0) {
        got = read(fd, file->octets + file->size, size - file->size);
        if (got > 0)
            file->size += (size_t)got;
    }
    return got >= 0;
}

static bool read_open(int fd, struct listfile *out, char *why, size_t why_size)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(why, why_size, "cannot be opened: %s", strerror(errno));
        return false;
    }
    const char *wrong = what_is_wrong_with(&st);
    if (wrong != NULL) {
        snprintf(why, why_size, "%s", wrong);
        return false;
    }
    if (read_all(fd, (size_t)st.st_size, out))
        return true;
    snprintf(why, why_size, "cannot be read: %s", strerror(errno));
    listfile_free(out);
    return false;
}

bool listfile_read(const char *path, struct listfile *out, char *why, size_t why_size)
{
    *out = (struct listfile){0};
    /* O_NONBLOCK: a FIFO must not hang us before fstat has seen it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool done = read_open(fd, out, why, why_size);
    if (fd >= 0)
        close(fd);
    return done;
}

void listfile_free(struct listfile *file)
{
    free(file->octets);
    *file = (struct listfile){0};
}

/* -- its lines -- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What stands before the comment. */
static struct slice without_comment(struct slice line)
{
    const char *at = line.size > 0 ? line.at : "";
    for (size_t i = 0; i < line.size; i++) {
        const char *mark = memchr(at + i, '#', line.size - i);
        if (mark == NULL)
            break;
        i = (size_t)(mark - at);
        if (i == 0 || is_blank(at[i - 1]))
            return slice_make(at, i);
    }
    return line;
}

static const char *what_is_odd_in(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (c == '\r')
            return "a carriage return; lines end with a line feed alone (say: tr -d '\\r')";
        if ((c < ' ' || c > '~') && c != '\t')
            return "more than printable ASCII";
    }
    return NULL;
}

static void take_line(struct listfile_lines *lines, struct listfile_item *item_out)
{
    struct slice line = slice_take_until(&lines->rest, '\n');
    lines->number++;
    *item_out = (struct listfile_item){.word = {NULL, 0}};
    if (line.size > LISTFILE_LINE_MAX)
        lines->wrong = "a line of more than 2048 octets";
    else if (lines->number > LISTFILE_LINES_MAX)
        lines->wrong = "more than 16777215 lines";
    else
        line = without_comment(line);
    if (lines->wrong == NULL)
        lines->wrong = what_is_odd_in(line);
    if (lines->wrong != NULL)
        return;
    item_out->word = slice_take_word(&line);
    item_out->rest = slice_trim(line);
}

bool listfile_next(struct listfile_lines *lines, struct listfile_item *item_out)
{
    while (lines->rest.size > 0 && lines->wrong == NULL) {
        take_line(lines, item_out);
        if (item_out->word.size > 0)
            return true;
    }
    return false;
}
