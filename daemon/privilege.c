/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/privilege.h"

#define BIT(capability) (1ull << (capability))

static const unsigned long long MASTER_CAPABILITIES =
    BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_KILL) | BIT(CAP_DAC_READ_SEARCH);
static const unsigned long long CHANGE_CAPABILITIES = BIT(CAP_SETUID) | BIT(CAP_SETGID);

/* A sanitizer looks for leaks with a process of its own; what it finds may have to be looked at in a core. */
#ifdef __SANITIZE_ADDRESS__
static const bool WORKERS_FORK = true, CORES_ARE_READ = true;
#else
static const bool WORKERS_FORK = false, CORES_ARE_READ = false;
#endif

static bool started_as_root(void)
{
    return geteuid() == 0;
}

/* -- capabilities, by the raw calls: libcap would be a library for two of them */

static bool set_capabilities(unsigned long long wanted)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    data[0].effective = data[0].permitted = (unsigned int)wanted;
    data[1].effective = data[1].permitted = (unsigned int)(wanted >> 32);
    return syscall(SYS_capset, &header, data) == 0;
}

/* Permitted, effective and inheritable together. */
static bool get_capabilities(unsigned long long *held_out)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    *held_out = data[0].permitted | data[0].effective | data[0].inheritable;
    *held_out |= (unsigned long long)(data[1].permitted | data[1].effective | data[1].inheritable) << 32;
    return true;
}

/* What uid 0 would get back by executing a program. Refused where the starter (a container) kept SETPCAP: then that
 * starter has bounded us already. */
static bool bound_capabilities(unsigned long long wanted)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if ((wanted & BIT(capability)) == 0 && prctl(PR_CAPBSET_DROP, capability) != 0 && errno != EPERM)
            return false;
    return true;
}

static bool holds_only(unsigned long long wanted)
{
    unsigned long long held;
    if (!get_capabilities(&held))
        return false;
    errno = EPERM;
    return (held & ~wanted) == 0;
}

/* -- who */

static bool find_user(const char *user, struct identity *out, char *why, size_t why_size)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        snprintf(why, why_size, "user %s: %s", user, errno != 0 ? strerror(errno) : "there is no such user");
        return false;
    }
    if (entry->pw_uid == 0) {
        snprintf(why, why_size, "user %s: workers must not be root", user);
        return false;
    }
    out->uid = entry->pw_uid;
    out->gid = entry->pw_gid;
    return true;
}

static bool find_group(const char *group, struct identity *out, char *why, size_t why_size)
{
    errno = 0;
    const struct group *entry = getgrnam(group);
    if (entry == NULL) {
        snprintf(why, why_size, "group %s: %s", group, errno != 0 ? strerror(errno) : "there is no such group");
        return false;
    }
    out->gid = entry->gr_gid;
    out->groups[0] = out->gid;
    out->group_count = 1;
    return true;
}

static bool find_memberships(const char *user, struct identity *out, char *why, size_t why_size)
{
    out->group_count = PRIVILEGE_GROUPS_MAX;
    if (getgrouplist(user, out->gid, out->groups, &out->group_count) >= 0)
        return true;
    snprintf(why, why_size, "user %s: is in more than %d groups; name one with `group`", user, PRIVILEGE_GROUPS_MAX);
    return false;
}

bool privilege_look_up(const char *user, const char *group, struct identity *out, char *why, size_t why_size)
{
    *out = (struct identity){.change = true};
    if (!find_user(user, out, why, why_size))
        return false;
    bool found = group != NULL ? find_group(group, out, why, why_size) : find_memberships(user, out, why, why_size);
    if (found && out->gid == 0) {
        snprintf(why, why_size, "user %s: workers must not be in root's group", user);
        return false;
    }
    return found;
}

static bool may_change(const char *user, char *why, size_t why_size)
{
    unsigned long long held;
    if (get_capabilities(&held) && (held & CHANGE_CAPABILITIES) == CHANGE_CAPABILITIES)
        return true;
    snprintf(why, why_size, "started as root without the capabilities SETUID and SETGID: workers cannot become user %s",
             user);
    return false;
}

bool privilege_resolve(const char *user, const char *group, struct identity *out, char *why, size_t why_size)
{
    if (started_as_root())
        return privilege_look_up(user, group, out, why, why_size) && may_change(user, why, why_size);
    *out = (struct identity){.uid = geteuid(), .gid = getegid()};
    return true;
}

/* -- the master */

/* Whoever the starter is: an ambient capability outlives a change of user and an exec. */
static bool keep_only(unsigned long long wanted)
{
    unsigned long long held;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 || !get_capabilities(&held))
        return false;
    return set_capabilities(held & wanted) && holds_only(wanted);
}

bool privilege_reduce(void)
{
    return bound_capabilities(MASTER_CAPABILITIES) && keep_only(MASTER_CAPABILITIES);
}

/* Ambient ones must be inheritable, too. privilege_reduce takes both away again. */
bool privilege_hand_on(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    if (started_as_root())
        return true;
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    data[0].inheritable = data[0].permitted;
    data[1].inheritable = data[1].permitted;
    if (syscall(SYS_capset, &header, data) != 0)
        return false;
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
        unsigned int word = data[capability / 32].permitted, bit = 1u << (capability % 32);
        if ((word & bit) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0)
            return false;
    }
    return true;
}

/* No kind of mapping is written (core(5)). Where there is no /proc there is no worker either (spawn.c). */
void privilege_empty_cores(void)
{
    int fd = CORES_ARE_READ ? -1 : open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t written = write(fd, "0", 1);
    (void)written; /* the second lock on a door: RLIMIT_CORE is the first */
    close(fd);
}

/* -- workers */

static bool can_get_back(void)
{
    return setresuid(0, 0, 0) == 0 || seteuid(0) == 0 || setresgid(0, 0, 0) == 0 || setgroups(0, NULL) == 0;
}

static bool change_identity(const struct identity *identity)
{
    if (!identity->change)
        return true;
    if (setgroups((size_t)identity->group_count, identity->groups) != 0 ||
        setresgid(identity->gid, identity->gid, identity->gid) != 0 ||
        setresuid(identity->uid, identity->uid, identity->uid) != 0)
        return false;
    if (can_get_back()) {
        errno = EPERM;
        return false;
    }
    return true;
}

static bool set_limits(bool has_threads)
{
    static const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && (WORKERS_FORK || has_threads || setrlimit(RLIMIT_NPROC, &none) == 0);
}

static bool drop(const struct identity *identity, bool has_threads)
{
    return change_identity(identity) && keep_only(0) && set_limits(has_threads) && prctl(PR_SET_DUMPABLE, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool privilege_drop(const struct identity *identity)
{
    return drop(identity, false);
}

bool privilege_drop_but_threads(const struct identity *identity)
{
    return drop(identity, true);
}

bool privilege_keep_reading(void)
{
    return keep_only(BIT(CAP_DAC_READ_SEARCH)) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}
