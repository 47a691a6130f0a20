/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/legacy.h"

static const char KEPT[] = "kept";

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, FIRST_ROOM = 64 };

void legacy_clear(struct legacy *legacy)
{
    if (legacy->fd >= 0)
        close(legacy->fd);
    if (legacy->text.size > 0)
        munmap((void *)(uintptr_t)legacy->text.at, legacy->text.size);
    free(legacy->kept);
    *legacy = LEGACY_NONE;
}

static void keep_open(int fd, bool kept)
{
    fcntl(fd, F_SETFD, kept ? 0 : FD_CLOEXEC);
}

void legacy_keep_open(const struct legacy *legacy, bool kept)
{
    for (int i = 0; i < legacy->kept_count; i++)
        keep_open(legacy->kept[i].fd, kept);
    keep_open(legacy->fd, kept);
}

static bool note(struct legacy *legacy, int fd)
{
    if (legacy->kept_count == legacy->kept_room) {
        int room = legacy->kept_room > 0 ? legacy->kept_room * 2 : FIRST_ROOM;
        struct legacy_kept *more = reallocarray(legacy->kept, (size_t)room, sizeof(*more));
        if (more == NULL)
            return false;
        legacy->kept = more;
        legacy->kept_room = room;
    }
    legacy->kept[legacy->kept_count++] = (struct legacy_kept){fd, false};
    return true;
}

static struct legacy_kept *find_kept(const struct legacy *legacy, int fd)
{
    for (int i = 0; i < legacy->kept_count; i++)
        if (legacy->kept[i].fd == fd)
            return &legacy->kept[i];
    return NULL;
}

/* -- writing */

bool legacy_create(struct legacy *legacy)
{
    *legacy = LEGACY_NONE;
    legacy->fd = memfd_create("postern-legacy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return legacy->fd >= 0;
}

void legacy_begin(struct legacy *legacy, const char *kind)
{
    buffer_init(&legacy->record, legacy->memory, sizeof(legacy->memory));
    control_begin(&legacy->record, kind);
}

void legacy_put_number(struct legacy *legacy, const char *key, int64_t value)
{
    control_number(&legacy->record, key, value);
}

void legacy_put_flag(struct legacy *legacy, const char *key, bool value)
{
    control_flag(&legacy->record, key, value);
}

void legacy_put_text(struct legacy *legacy, const char *key, struct slice value)
{
    control_text(&legacy->record, key, value);
}

void legacy_put_string(struct legacy *legacy, const char *key, const char *value)
{
    control_string(&legacy->record, key, value);
}

void legacy_put_fd(struct legacy *legacy, const char *key, int fd)
{
    control_number(&legacy->record, key, fd);
    if (fd >= 0 && !note(legacy, fd))
        legacy->failed = true;
}

void legacy_end(struct legacy *legacy)
{
    control_end(&legacy->record);
    struct slice text = buffer_unread(&legacy->record);
    if (legacy->record.overflow)
        errno = EMSGSIZE;
    legacy->failed |= legacy->record.overflow || write(legacy->fd, text.at, text.size) != (ssize_t)text.size;
}

/* The list of them has records of its own, so that also a reader who does not know what one is for keeps it open for
 * the way back. */
bool legacy_seal(struct legacy *legacy)
{
    for (int i = 0; i < legacy->kept_count; i++) {
        legacy_begin(legacy, KEPT);
        legacy_put_number(legacy, "fd", legacy->kept[i].fd);
        legacy_end(legacy);
    }
    return !legacy->failed && fcntl(legacy->fd, F_ADD_SEALS, SEALS) == 0;
}

/* -- reading */

void legacy_be_bad(struct legacy *legacy, const char *kind, const char *what)
{
    if (legacy->why[0] == '\0')
        snprintf(legacy->why, sizeof(legacy->why), "what the program before has left is not understood: %s: %s", kind,
                 what);
}

bool legacy_is_good(const struct legacy *legacy, char *why, size_t why_size)
{
    if (legacy->why[0] == '\0')
        return true;
    snprintf(why, why_size, "%s", legacy->why);
    return false;
}

bool legacy_next(struct legacy *legacy, const char *kind, struct legacy_record *record)
{
    while (record->next < legacy->text.size) {
        struct slice rest = slice_make(legacy->text.at + record->next, legacy->text.size - record->next), found;
        struct slice line = slice_take_until(&rest, '\n');
        record->next = legacy->text.size - rest.size;
        if (!control_read_kind(&line, &found) || !slice_equal(found, slice_of(kind)))
            continue;
        record->legacy = legacy;
        record->fields = line;
        return true;
    }
    return false;
}

static bool find(const struct legacy_record *record, const char *key, struct control_field *out)
{
    struct slice rest = record->fields;
    while (control_read_field(&rest, out))
        if (slice_equal(out->key, slice_of(key)))
            return true;
    return false;
}

bool legacy_has(const struct legacy_record *record, const char *key)
{
    struct control_field field;
    return find(record, key, &field);
}

int64_t legacy_number(const struct legacy_record *record, const char *key, int64_t least, int64_t most)
{
    struct control_field field;
    if (find(record, key, &field) && field.type == CONTROL_IS_NUMBER && field.number >= least && field.number <= most)
        return field.number;
    legacy_be_bad(record->legacy, key, "no number in its range");
    return least;
}

bool legacy_flag(const struct legacy_record *record, const char *key)
{
    struct control_field field;
    if (find(record, key, &field) && field.type == CONTROL_IS_FLAG)
        return field.number != 0;
    legacy_be_bad(record->legacy, key, "neither true nor false");
    return false;
}

size_t legacy_octets(const struct legacy_record *record, const char *key, char *to, size_t size)
{
    struct control_field field;
    to[0] = '\0';
    if (!find(record, key, &field) || field.type != CONTROL_IS_TEXT || field.size >= size) {
        legacy_be_bad(record->legacy, key, "no text, or too long");
        return 0;
    }
    memcpy(to, field.text, field.size + 1);
    return field.size;
}

size_t legacy_text(const struct legacy_record *record, const char *key, char *to, size_t size)
{
    size_t got = legacy_octets(record, key, to, size);
    if (memchr(to, '\0', got) == NULL)
        return got;
    legacy_be_bad(record->legacy, key, "holds a NUL");
    to[0] = '\0';
    return 0;
}

char *legacy_string(const struct legacy_record *record, const char *key)
{
    struct control_field field;
    char *copy = find(record, key, &field) && field.type == CONTROL_IS_TEXT ? strdup(field.text) : NULL;
    if (copy == NULL)
        legacy_be_bad(record->legacy, key, "no text");
    return copy;
}

int legacy_fd(const struct legacy_record *record, const char *key)
{
    int fd = (int)legacy_number(record, key, -1, INT32_MAX);
    if (fd < 0)
        return -1;
    struct legacy_kept *kept = find_kept(record->legacy, fd);
    if (kept != NULL && !kept->taken && fcntl(fd, F_GETFD) >= 0) {
        kept->taken = true;
        return fd;
    }
    legacy_be_bad(record->legacy, key, "no open descriptor");
    return -1;
}

void legacy_leave(struct legacy *legacy, int fd)
{
    struct legacy_kept *kept = find_kept(legacy, fd);
    if (kept != NULL)
        kept->taken = false;
}

void legacy_close_left(struct legacy *legacy)
{
    for (int i = 0; i < legacy->kept_count; i++)
        if (!legacy->kept[i].taken)
            close(legacy->kept[i].fd);
}

bool legacy_open(struct legacy *legacy, int fd, char *why, size_t why_size)
{
    struct stat is;
    *legacy = LEGACY_NONE;
    if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &is) != 0 || is.st_size == 0 || is.st_size > LEGACY_BYTES_MAX) {
        snprintf(why, why_size, LEGACY_VARIABLE " names no sealed memory of a posternd");
        return false;
    }
    char *at = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
        snprintf(why, why_size, "cannot read what the program before has left: %s", strerror(errno));
        return false;
    }
    legacy->fd = fd;
    legacy->text = slice_make(at, (size_t)is.st_size);
    for (struct legacy_record r = {0}; legacy_next(legacy, KEPT, &r);)
        if (!note(legacy, (int)legacy_number(&r, "fd", STDERR_FILENO + 1, INT32_MAX)))
            legacy_be_bad(legacy, KEPT, "no memory");
    return true;
}
