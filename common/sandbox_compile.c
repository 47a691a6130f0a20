/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/must.h"
#include "common/sandbox_internal.h"

enum { SORTED_BY_NUMBER = 2 /* a tree, so that the last call on the list costs no more than the first */ };
enum { RANGES_MAX = 5 };

/* So many numbers from `first` on, a power of two, of which `first` is a multiple. */
#define FROM_ON(first, count) SCMP_A0(SCMP_CMP_MASKED_EQ, ~(uint64_t)((count)-1), first)

static uint32_t refusal(enum sandbox_mode mode)
{
    return mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_TRAP;
}

static uint32_t action_of(const struct sandbox_rule *rule)
{
    return rule->answer == SANDBOX_FAIL ? SCMP_ACT_ERRNO((uint32_t)rule->error) : SCMP_ACT_ALLOW;
}

/* Which descriptors a rule is for. The library takes one condition for an argument: a range is several rules. */
struct descriptors {
    int count; /* 0: whichever */
    struct scmp_arg_cmp ranges[RANGES_MAX];
};

static const struct descriptors OF_ROLE[SANDBOX_DESCRIPTORS][SANDBOX_ROLES] = {
    [SANDBOX_NO_LISTENER][SANDBOX_WORKER] = {1, {SCMP_A0(SCMP_CMP_LT, SANDBOX_LISTENERS_FROM)}},
    [SANDBOX_OWN][SANDBOX_WORKER] = {RANGES_MAX,
                                     {SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO + 1), FROM_ON(4, 4), FROM_ON(8, 8),
                                      FROM_ON(16, 16), FROM_ON(32, 16)}},
    [SANDBOX_OWN][SANDBOX_HOUSEKEEPER] = {1, {SCMP_A0(SCMP_CMP_GT, STDERR_FILENO)}},
    [SANDBOX_OWN][SANDBOX_STOREKEEPER] = {1, {SCMP_A0(SCMP_CMP_GT, STDERR_FILENO)}},
};

_Static_assert(SANDBOX_LISTENERS_FROM == 32 + 16, "a worker's own end there");

static bool add_with(scmp_filter_ctx filter, const struct sandbox_rule *rule, const struct scmp_arg_cmp *descriptor)
{
    struct scmp_arg_cmp conditions[SANDBOX_RULE_ARGUMENTS];
    unsigned int count = 0;
    if (descriptor != NULL)
        conditions[count++] = *descriptor;
    for (unsigned int i = 0; i < SANDBOX_RULE_ARGUMENTS; i++)
        if (rule->arguments[i].how != 0)
            conditions[count++] =
                (struct scmp_arg_cmp){i, rule->arguments[i].how, rule->arguments[i].a, rule->arguments[i].b};
    int error = seccomp_rule_add_array(filter, action_of(rule), rule->call, count, conditions);
    return error == 0 || error == -EDOM; /* a call that this machine has not got */
}

static bool add(scmp_filter_ctx filter, const struct sandbox_rule *rule, enum sandbox_role role)
{
    const struct descriptors *wanted = &OF_ROLE[rule->descriptor][role];
    if (wanted->count == 0)
        return add_with(filter, rule, NULL);
    for (int i = 0; i < wanted->count; i++)
        if (!add_with(filter, rule, &wanted->ranges[i]))
            return false;
    return true;
}

/* What only fails is allowed where nothing is refused: it shall be seen in the kernel's log. */
static bool add_all(scmp_filter_ctx filter, enum sandbox_mode mode, enum sandbox_role role)
{
    for (size_t i = 0; i < sandbox_rule_count; i++) {
        const struct sandbox_rule *rule = &sandbox_rules[i];
        bool wanted = (rule->who & 1u << role) != 0 && (mode == SANDBOX_ON || rule->answer == SANDBOX_ALLOW);
        if (wanted && !add(filter, rule, role))
            return false;
    }
    return true;
}

/* In front of it all: -1 is no call, and the kernel does nothing for it. It is what a tracer leaves there when a call
 * shall not be made, to have it fail say; the library takes no such number. */
static const struct sock_filter SKIPPED[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

enum { SKIPPED_STEPS = sizeof(SKIPPED) / sizeof(SKIPPED[0]) };

/* Through a file in memory: the library writes to descriptors only. */
static bool take_code(scmp_filter_ctx filter, struct sandbox_program *program)
{
    int fd = memfd_create("postern-sandbox", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = -1, room = (SANDBOX_PROGRAM_MAX - SKIPPED_STEPS) * (ssize_t)sizeof(program->code[0]);
    if (seccomp_export_bpf(filter, fd) == 0)
        size = pread(fd, program->code + SKIPPED_STEPS, (size_t)room, 0);
    close(fd);
    if (size <= 0 || size == room || (size_t)size % sizeof(program->code[0]) != 0)
        return false;
    memcpy(program->code, SKIPPED, sizeof(SKIPPED));
    program->count = (unsigned short)(SKIPPED_STEPS + (size_t)size / sizeof(program->code[0]));
    return true;
}

static bool find_own_pid(struct sandbox_program *program)
{
    program->own_pid_count = 0;
    for (unsigned short i = 0; i < program->count; i++) {
        const struct sock_filter *step = &program->code[i];
        if (BPF_CLASS(step->code) != BPF_JMP || step->k != SANDBOX_OWN_PID)
            continue;
        if (program->own_pid_count == SANDBOX_PATCHES_MAX)
            return false;
        program->own_pid[program->own_pid_count++] = i;
    }
    return program->own_pid_count > 0;
}

bool sandbox_compile(struct sandbox_program *program, enum sandbox_mode mode, enum sandbox_role role)
{
    program->count = 0;
    scmp_filter_ctx filter = seccomp_init(refusal(mode));
    if (filter == NULL)
        return false;
    bool good = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, SORTED_BY_NUMBER) == 0 &&
                seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, refusal(mode)) == 0 && add_all(filter, mode, role) &&
                take_code(filter, program) && find_own_pid(program);
    seccomp_release(filter);
    if (!good)
        program->count = 0;
    return good;
}

void sandbox_name_calls(struct sandbox *sandbox)
{
    sandbox->machine = seccomp_arch_native();
    for (int call = 0; call < SANDBOX_CALLS_MAX; call++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
        if (name != NULL)
            snprintf(sandbox->names[call], sizeof(sandbox->names[call]), "%s", name);
        free(name);
    }
}
