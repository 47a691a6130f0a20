/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/must.h"

#include "common/config_internal.h"

/* A place for what is said of a file as a whole. */
static struct config_place whole_file(const struct config_file *file, struct config_place at)
{
    return file->includer != NULL ? at : (struct config_place){file->path, 0};
}

static const char *what_is_wrong_with(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "is not a plain file";
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "may be written by group or others, who could then run this host's mail; say chmod go-w";
    if (st->st_size > CONFIG_FILE_BYTES_MAX)
        return "is larger than 16 MiB";
    return NULL;
}

/* Reads what is there, up to a size that was true a moment ago. */
static bool read_all(int fd, size_t size, struct config_file *file)
{
    ssize_t got = 1;

    file->text = malloc(size + 1);
    must(file->text != NULL);
    while (file->size < size && got > 0) {
        got = read(fd, file->text + file->size, size - file->size);
        if (got > 0)
            file->size += (size_t)got;
    }
    return got >= 0;
}

/* The words for `file`: an included one is named behind the place of its include. */
static bool fail_file(struct config_reader *reader, const struct config_file *file, struct config_place at,
                      const char *text)
{
    bool included = file->includer != NULL;
    return config_fail(reader->config, whole_file(file, at), NULL, included ? "include" : NULL, "%s%s%s",
                       included ? file->path : "", included ? " " : "", text);
}

static bool load_text(struct config_reader *reader, struct config_file *file, struct config_place at)
{
    struct stat st;
    /* O_NONBLOCK: a FIFO must not hang us before fstat has seen it. */
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        char text[128];
        snprintf(text, sizeof text, "cannot be opened: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return fail_file(reader, file, at, text);
    }
    const char *wrong = what_is_wrong_with(&st);
    if (wrong == NULL && !read_all(fd, (size_t)st.st_size, file))
        wrong = "cannot be read";
    close(fd);
    file->device = st.st_dev;
    file->inode = st.st_ino;
    reader->bytes += file->size;
    if (wrong == NULL && reader->bytes > CONFIG_BYTES_MAX)
        wrong = "makes the configuration larger than 64 MiB";
    return wrong == NULL || fail_file(reader, file, at, wrong);
}

static bool includes_itself(const struct config_file *file)
{
    for (const struct config_file *up = file->includer; up != NULL; up = up->includer)
        if (up->device == file->device && up->inode == file->inode)
            return true;
    return false;
}

/* Tab and line feed are the only controls that a configuration needs. */
static bool has_only_text(struct config_reader *reader, const struct config_file *file)
{
    struct config_place place = {file->path, 1};

    for (size_t i = 0; i < file->size; i++) {
        unsigned char c = (unsigned char)file->text[i];
        if (c == '\n')
            place.line++;
        else if (c == '\r')
            return config_fail(reader->config, place, NULL, NULL,
                               "a carriage return; lines end with a line feed alone (say: tr -d '\\r')");
        else if (c == 0x7f || (c < ' ' && c != '\t'))
            return config_fail(reader->config, place, NULL, NULL, "the control character 0x%02x; only text is allowed",
                               c);
    }
    return true;
}

static bool read_file(struct config_reader *reader, const char *path, const struct config_file *includer,
                      struct config_place at)
{
    struct config_file file = {
        .path = config_copy(&reader->config->arena, slice_of(path)),
        .includer = includer,
        .depth = includer != NULL ? includer->depth + 1 : 0,
    };
    bool ok = load_text(reader, &file, at);

    if (ok && includes_itself(&file))
        ok = fail_file(reader, &file, at, "includes itself");
    else if (ok && file.depth > CONFIG_INCLUDE_DEPTH_MAX)
        ok = fail_file(reader, &file, at, "is included too deeply; 8 levels are allowed");
    ok = ok && has_only_text(reader, &file) && config_lex(reader, &file);
    free(file.text);
    return ok;
}

static const char *beside(struct config_arena *arena, const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    size_t directory = slash == NULL || name[0] == '/' ? 0 : (size_t)(slash - file) + 1;
    size_t size = strlen(name);
    char *path = config_alloc(arena, directory + size + 1);

    memcpy(path, file, directory);
    memcpy(path + directory, name, size);
    return path;
}

static bool read_matches(struct config_reader *reader, const struct config_file *from, struct config_place at,
                         const glob_t *found)
{
    for (size_t i = 0; i < found->gl_pathc; i++)
        if (!read_file(reader, found->gl_pathv[i], from, at))
            return false;
    return true;
}

/* A directory that is not there matches nothing; one that cannot be read might hide something. */
static int search_failed(const char *path, int error)
{
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

bool config_include(struct config_reader *reader, const struct config_file *from, struct config_place at,
                    const char *pattern)
{
    const char *path = beside(&reader->config->arena, from->path, pattern);
    glob_t found;

    if (strpbrk(pattern, "*?[") == NULL)
        return read_file(reader, path, from, at);
    int error = glob(path, 0, search_failed, &found);
    /* No match is well: an empty conf.d is how one begins. */
    bool ok = error == 0 ? read_matches(reader, from, at, &found)
                         : error == GLOB_NOMATCH ||
                               config_fail(reader->config, at, NULL, "include", "%s cannot be searched", path);
    globfree(&found);
    return ok;
}

void config_end_line(struct config_reader *reader, struct config_place next)
{
    fputc('\n', reader->text);
    fwrite(&next, sizeof next, 1, reader->lines);
}

bool config_read(struct config *config, const char *path, struct config_text *out)
{
    char *lines = NULL;
    struct config_reader reader = {.config = config};

    reader.text = open_memstream(&out->text, &out->size);
    reader.lines = open_memstream(&lines, &out->lines_size);
    must(reader.text != NULL && reader.lines != NULL);
    struct config_place start = {config_copy(&config->arena, slice_of(path)), 1};
    fwrite(&start, sizeof start, 1, reader.lines);
    fputs("'" CONFIG_MARK "'='" CONFIG_MARK "' ", reader.text);
    bool ok = read_file(&reader, path, NULL, start);
    bool written = !ferror(reader.text) && !ferror(reader.lines);
    written = fclose(reader.text) == 0 && written;
    written = fclose(reader.lines) == 0 && written;
    must(written);
    out->lines = (struct config_place *)(void *)lines;
    return ok;
}

void config_text_free(struct config_text *text)
{
    free(text->text);
    free(text->lines);
    *text = (struct config_text){.text = NULL};
}
