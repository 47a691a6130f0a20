/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/must.h"
#include "common/region.h"

enum { FD_PATH_MAX = 40 };

static int create_sealed(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int reopen_readonly(int fd)
{
    char path[FD_PATH_MAX];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

bool region_create(struct region *region, const char *name, size_t size)
{
    *region = REGION_NONE;
    region->size = size;
    region->fd = create_sealed(name, size);
    if (region->fd < 0)
        return false;
    region->readonly_fd = reopen_readonly(region->fd);
    if (region->readonly_fd >= 0)
        return true;
    int error = errno;
    region_close(region);
    errno = error;
    return false;
}

static void *map(int fd, size_t offset, size_t size, int protection)
{
    void *at = mmap(NULL, size, protection, MAP_SHARED, fd, (off_t)offset);
    if (at == MAP_FAILED)
        return NULL;
    madvise(at, size, MADV_DONTDUMP);
    return at;
}

void *region_map(const struct region *region)
{
    return map(region->fd, 0, region->size, PROT_READ | PROT_WRITE);
}

void *region_map_readonly(const struct region *region)
{
    return map(region->readonly_fd, 0, region->size, PROT_READ);
}

void *region_map_part(const struct region *region, size_t offset, size_t size)
{
    return map(region->fd, offset, size, PROT_READ | PROT_WRITE);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void region_close(struct region *region)
{
    close_fd(&region->fd);
    close_fd(&region->readonly_fd);
}

void *region_draft(struct region *region, const char *name, size_t size)
{
    *region = REGION_NONE;
    region->size = size;
    region->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *draft = NULL;
    if (region->fd >= 0 && ftruncate(region->fd, (off_t)size) == 0)
        draft = region_map(region);
    int error = errno;
    if (draft == NULL)
        region_close(region);
    errno = error;
    return draft;
}

/* Nobody can be sealed out who could still write: the draft goes first. */
const void *region_freeze(struct region *region, void *draft)
{
    static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    const void *frozen = NULL;
    munmap(draft, region->size);
    if (fcntl(region->fd, F_ADD_SEALS, seals) == 0)
        region->readonly_fd = reopen_readonly(region->fd);
    if (region->readonly_fd >= 0)
        frozen = region_map_readonly(region);
    int error = errno;
    region_close(region);
    errno = error;
    return frozen;
}

void region_thaw(const void *frozen, size_t size)
{
    if (frozen != NULL)
        munmap((void *)(uintptr_t)frozen, size);
}

void region_look(const void *at, size_t pages, unsigned char there_out[])
{
    must(pages <= REGION_LOOK_MAX);
    bool told = mincore((void *)(uintptr_t)at, pages * REGION_PAGE_BYTES, there_out) == 0;
    for (size_t i = 0; i < pages; i++)
        there_out[i] = told ? there_out[i] & 1 : 1;
}
