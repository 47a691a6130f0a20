/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "daemon/program.h"

bool program_make_absolute(const char *path, char absolute[PATH_MAX])
{
    char here[PATH_MAX] = "";
    bool is_relative = path[0] != '/';
    if (is_relative && getcwd(here, sizeof(here)) == NULL)
        return false;
    return snprintf(absolute, PATH_MAX, "%s%s%s", here, is_relative ? "/" : "", path) < PATH_MAX;
}

void program_find(struct program *program, char **argv)
{
    /* Not argv[0]: a starter may say there what he likes. */
    const char *executed = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    *program = (struct program){.argv = argv, .fd = open("/proc/self/exe", O_PATH | O_CLOEXEC)};
    if (executed == NULL || !program_make_absolute(executed, program->path))
        program->path[0] = '\0';
}
