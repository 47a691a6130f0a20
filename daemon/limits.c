/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"

#include "daemon/limits.h"
#include "daemon/limits_internal.h"
#include "daemon/listen.h"

enum { TEXT_MAX = 4096, WAY_MAX = 256, FILES_OF_A_PROCESS = 8 };

static const uint64_t UNLIMITED = UINT64_MAX;

struct look {
    const char *root;
    uint64_t processes, descriptors;
    uint64_t own; /* processes that we have already */
    int low;      /* limits that were too low */
};

static void compare(struct look *look, const char *limit, const char *where, uint64_t allows, uint64_t needed,
                    const char *way)
{
    struct record r;
    if (allows >= needed)
        return;
    look->low++;
    record_begin(&r, "limit");
    record_string(&r, "limit", limit);
    record_number(&r, "allows", allows);
    record_number(&r, "needed", needed);
    record_string(&r, "where", where);
    record_string(&r, "way", way);
    record_send(&r, LEVEL_WARNING);
}

/* -- files of the kernel */

/* False: not there, or it does not fit. */
static bool read_text(const struct look *look, const char *path, char text[TEXT_MAX])
{
    char full[PATH_MAX];
    if (snprintf(full, sizeof(full), "%s%s", look->root, path) >= (int)sizeof(full))
        return false;
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, TEXT_MAX - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* "max" is no limit. */
static bool to_number(struct slice word, uint64_t *out)
{
    *out = UNLIMITED;
    return slice_equal(word, slice_of("max")) || slice_to_number(word, out);
}

/* The first word of a file. */
static bool read_number(const struct look *look, const char *path, uint64_t *out)
{
    char text[TEXT_MAX];
    if (!read_text(look, path, text))
        return false;
    struct slice rest = slice_of(text);
    struct slice line = slice_take_until(&rest, '\n');
    return to_number(slice_take_word(&line), out);
}

static uint64_t without(uint64_t all, uint64_t own)
{
    return all > own ? all - own : 0;
}

/* -- cgroups */

static void make_pids_path(char path[PATH_MAX], const char *directory, const char *file)
{
    if (snprintf(path, PATH_MAX, "%s/%s", directory, file) >= PATH_MAX)
        path[0] = '\0'; /* which is not there */
}

static uint64_t pids_now(const struct look *look, const char *directory)
{
    char path[PATH_MAX];
    uint64_t now;
    make_pids_path(path, directory, "pids.current");
    return read_number(look, path, &now) ? now : 0;
}

/* systemd's own have an ending. */
static void make_pids_way(char way[WAY_MAX], const char *directory)
{
    const char *name = strrchr(directory, '/') + 1;
    if (strchr(name, '.') != NULL)
        snprintf(way, WAY_MAX, "raise TasksMax= of %s", name);
    else
        snprintf(way, WAY_MAX, "write a higher number into pids.max there");
}

static void look_at_directory(struct look *look, const char *directory)
{
    char path[PATH_MAX], way[WAY_MAX];
    uint64_t allows;
    make_pids_path(path, directory, "pids.max");
    if (!read_number(look, path, &allows))
        return;
    make_pids_way(way, directory);
    compare(look, "pids.max", directory, allows, look->processes + without(pids_now(look, directory), look->own), way);
}

/* From our own cgroup up to the root that we see: each has a limit of its own, and others may share it. */
static void look_at_hierarchy(struct look *look, const char *mount, struct slice at)
{
    char directory[PATH_MAX];
    if (snprintf(directory, sizeof(directory), "%s%.*s", mount, SLICE_ARGS(at)) >= (int)sizeof(directory) ||
        strstr(directory, "/..") != NULL) /* around the part that this container sees */
        return;
    size_t size = strlen(directory);
    if (directory[size - 1] == '/')
        directory[size - 1] = '\0';
    uint64_t own = pids_now(look, directory);
    look->own = own > look->own ? own : look->own;
    for (;;) {
        look_at_directory(look, directory);
        if (strlen(directory) <= strlen(mount))
            return;
        *strrchr(directory, '/') = '\0';
    }
}

static bool list_has(struct slice list, const char *name)
{
    while (list.size > 0)
        if (slice_equal(slice_take_until(&list, ','), slice_of(name)))
            return true;
    return false;
}

/* Lines of cgroups(7): "0::/path" is v2, "8:pids:/path" v1. Where both are mounted, one of them has the controller. */
static void look_at_cgroups(struct look *look)
{
    char text[TEXT_MAX];
    if (!read_text(look, "/proc/self/cgroup", text))
        return;
    struct slice rest = slice_of(text);
    while (rest.size > 0) {
        struct slice line = slice_take_until(&rest, '\n');
        slice_take_until(&line, ':');
        struct slice controllers = slice_take_until(&line, ':');
        if (controllers.size == 0)
            look_at_hierarchy(look, "/sys/fs/cgroup", line);
        else if (list_has(controllers, "pids"))
            look_at_hierarchy(look, "/sys/fs/cgroup/pids", line);
    }
}

/* -- the whole machine, and this process */

static void look_at_file(struct look *look, const char *limit, const char *path, uint64_t needed, const char *way)
{
    uint64_t allows;
    if (read_number(look, path, &allows))
        compare(look, limit, path, allows, needed, way);
}

/* All processes and threads of the machine: "0.20 0.18 0.12 1/80 11206". */
static uint64_t machine_tasks(const struct look *look)
{
    char text[TEXT_MAX];
    uint64_t tasks;
    if (!read_text(look, "/proc/loadavg", text))
        return 0;
    struct slice rest = slice_of(text);
    slice_take_until(&rest, '/');
    return slice_to_number(slice_take_word(&rest), &tasks) ? tasks : 0;
}

static void look_at_machine(struct look *look)
{
    uint64_t tasks = look->processes + without(machine_tasks(look), look->own), files = 0;
    if (!read_number(look, "/proc/sys/fs/file-nr", &files))
        files = 0;
    look_at_file(look, "threads-max", "/proc/sys/kernel/threads-max", tasks, "sysctl kernel.threads-max");
    look_at_file(look, "pid_max", "/proc/sys/kernel/pid_max", tasks, "sysctl kernel.pid_max");
    look_at_file(look, "file-max", "/proc/sys/fs/file-max",
                 without(look->processes, look->own) * FILES_OF_A_PROCESS + files, "sysctl fs.file-max");
    look_at_file(look, "somaxconn", "/proc/sys/net/core/somaxconn", LISTEN_BACKLOG, "sysctl net.core.somaxconn");
}

static uint64_t own_limit(__rlimit_resource_t resource)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : UNLIMITED;
}

static void look_at_process(struct look *look)
{
    static const char here[] = "posternd";
    compare(look, "descriptors", here, own_limit(RLIMIT_NOFILE), look->descriptors,
            "LimitNOFILE= in postern.service, or ulimit -n");
    if (geteuid() != 0) /* root's processes are not counted */
        compare(look, "processes", here, own_limit(RLIMIT_NPROC), look->processes,
                "LimitNPROC= in postern.service, or ulimit -u");
}

int limits_check_at(const char *root, int processes, int descriptors)
{
    struct look look = {.root = root, .processes = (uint64_t)processes, .descriptors = (uint64_t)descriptors};
    look_at_cgroups(&look);
    look_at_machine(&look);
    look_at_process(&look);
    return look.low;
}

int limits_check(int processes, int descriptors)
{
    return limits_check_at("", processes, descriptors);
}
