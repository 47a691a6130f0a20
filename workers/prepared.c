/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "workers/prepared.h"

/* What one check has made, for as many as share it. */
struct made {
    const struct preparation *by;
    void *what;
    uint64_t mark; /* of its files, taken before they were read */
    int users;
};

struct prepared {
    struct made *of[CHECKS_MAX];
};

static const struct preparation *preparation_of(int check)
{
    return check_table[check] != NULL ? check_table[check]->preparation : NULL;
}

static bool mark_files(const struct preparation *by, const void *options, prepared_mark *mark, uint64_t *mark_out)
{
    int count = 0;
    while (by->file(options, (size_t)count) != NULL)
        count++;
    const char **files = calloc((size_t)count + 1, sizeof(*files));
    if (files == NULL)
        return false;
    for (int i = 0; i < count; i++)
        files[i] = by->file(options, (size_t)i);
    *mark_out = mark(files, count);
    free(files);
    return true;
}

static struct made *make(const struct preparation *by, const void *options, uint64_t mark, struct check_fault *fault)
{
    struct made *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    *made = (struct made){by, by->make(options, fault), mark, 1};
    if (made->what != NULL)
        return made;
    free(made);
    return NULL;
}

static bool prepare(struct prepared *prepared, int check, const struct policy *policy, const struct prepared *old,
                    prepared_mark *mark, struct prepared_fault *fault)
{
    const struct preparation *by = preparation_of(check);
    const void *options = policy->check_options[check];
    uint64_t now;
    if (!mark_files(by, options, mark, &now))
        return false;
    if (old != NULL && old->of[check]->mark == now) {
        prepared->of[check] = old->of[check];
        prepared->of[check]->users++;
        return true;
    }
    prepared->of[check] = make(by, options, now, &fault->fault);
    if (prepared->of[check] == NULL && fault->fault.option != NULL)
        fault->options = options;
    return prepared->of[check] != NULL;
}

struct prepared *prepared_new(const struct policy *policy, const struct prepared *old, prepared_mark *mark,
                              struct prepared_fault *fault_out)
{
    struct prepared *prepared = calloc(1, sizeof(*prepared));
    bool made = prepared != NULL;
    *fault_out = (struct prepared_fault){0};
    for (int i = 0; made && check_table[i] != NULL; i++)
        if (preparation_of(i) != NULL)
            made = prepare(prepared, i, policy, old, mark, fault_out);
    if (!made)
        prepared_free(&prepared);
    return prepared;
}

void prepared_free(struct prepared **prepared)
{
    if (*prepared == NULL)
        return;
    for (int i = 0; i < CHECKS_MAX; i++) {
        struct made *made = (*prepared)->of[i];
        if (made == NULL || --made->users > 0)
            continue;
        made->by->drop(made->what);
        free(made);
    }
    free(*prepared);
    *prepared = NULL;
}

const void *prepared_for(const struct prepared *prepared, int check)
{
    return prepared != NULL && prepared->of[check] != NULL ? prepared->of[check]->what : NULL;
}

const char *prepared_file(const struct policy *policy, size_t number)
{
    for (int i = 0; check_table[i] != NULL; i++) {
        const struct preparation *by = preparation_of(i);
        for (size_t j = 0; by != NULL && by->file(policy->check_options[i], j) != NULL; j++)
            if (number-- == 0)
                return by->file(policy->check_options[i], j);
    }
    return NULL;
}
