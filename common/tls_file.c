/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/tls_file.h"

static bool has_good_size(int fd, struct tls_file *file)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return false;
    }
    if (status.st_size > TLS_FILE_MAX) {
        errno = EFBIG;
        return false;
    }
    file->size = (size_t)status.st_size;
    file->for_others = (status.st_mode & (S_IROTH | S_IWOTH)) != 0;
    return true;
}

/* What is written to it meanwhile is not for us: its size was asked for once. */
static bool fill(int fd, struct tls_file *file)
{
    size_t size = 0;
    file->octets = malloc(file->size + 1); /* never of 0 octets, which may be NULL */
    if (file->octets == NULL)
        return false;
    while (size < file->size) {
        ssize_t got = read(fd, file->octets + size, file->size - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    file->size = size;
    return true;
}

bool tls_file_read(struct tls_file *file, const char *path)
{
    *file = (struct tls_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
    if (fd < 0)
        return false;
    bool good = has_good_size(fd, file) && fill(fd, file);
    int error = errno;
    close(fd);
    if (!good)
        tls_file_clear(file);
    errno = error;
    return good;
}

void tls_file_clear(struct tls_file *file)
{
    if (file->octets != NULL)
        explicit_bzero(file->octets, file->size);
    free(file->octets);
    *file = (struct tls_file){0};
}
