/* SPDX-License-Identifier: ISC
 *
 * plan - what a configuration comes down to for the master. daemon/main.c, which knows both sides, makes it; the master
 * hands its parts on and looks into none of the workers' business.
 *
 * A reload makes a new plan and lives by it. The old one stays until the last worker that was forked from it is gone,
 * so that whoever looks at a generation finds what it was made of.
 */
#ifndef POSTERN_DAEMON_PLAN_H
#define POSTERN_DAEMON_PLAN_H

#include "common/prefixes.h"
#include "common/scoreboard_options.h"
#include "common/store_options.h"

#include "daemon/generation.h"
#include "daemon/process.h"

/* An inside server, for posternctl: its place in the scoreboard's regions heard and health. */
struct plan_server {
    const char *backend, *name;
    struct endpoint address;
    int slot;             /* -1: none */
    int64_t max_sessions; /* 0: any number */
};

/* A certificate towards the outside, for posternctl and for a warning before it ends. */
struct plan_certificate {
    const char *listener, *file;
    int64_t not_after; /* seconds since 1970 */
};

/* A limit of a policy, for posternctl. Its hits are tallied under scoreboard_hash of its name and no key. */
enum { PLAN_LIMIT_WORD_MAX = 64, PLAN_LIMIT_RATE_MAX = 160 };
struct plan_limit {
    char name[PLAN_LIMIT_WORD_MAX]; /* "inbound.rate": policy and limit, as hits say it */
    char of[PLAN_LIMIT_WORD_MAX], per[PLAN_LIMIT_WORD_MAX];
    char rate[PLAN_LIMIT_RATE_MAX]; /* "30/1m burst 10", "20 at once" */
    const char *action, *mode;
};

/* A DNS list of a policy, for posternctl: its health and its counts in the scoreboard. */
struct plan_list {
    const char *name, *zone;
    char of[PLAN_LIMIT_WORD_MAX]; /* "client", "helo+sender" */
    bool is_tested;
    uint64_t test_hash, count_hash; /* dnslists.h */
};

struct plan {
    const struct process_options *process;
    const struct scoreboard_options *scoreboard;
    const struct store_options *store; /* its directory NULL: there is none */
    struct prefixes greylisted;        /* networks of clients in it, handed to posternctl's child */
    const char *hostname;
    const struct listener_plan *listeners;
    int listener_count;
    const struct plan_server *servers;
    int server_count;
    const struct plan_certificate *certificates;
    int certificate_count;
    const struct plan_limit *limits;
    int limit_count;
    const struct plan_list *lists; /* each once, whatever policies have it */
    int list_count;
    const void *housekeeping;   /* handed to the housekeeper, not looked into */
    const char *const *watched; /* files whose change asks for a renewal: certificates, keys, staples, CAs */
    int watched_count;
    uint64_t watched_mark; /* what they were, taken before they were read (watch.h) */
    int watch;             /* on them, opened before that; -1: none */
};

bool plan_has_store(const struct plan *plan);            /* is a memory on disk configured? */
enum sandbox_mode plan_sandbox(const struct plan *plan); /* of its workers and housekeeper */
/* The same server in the same place of the scoreboard? */
bool plan_has_server(const struct plan *plan, const struct plan_server *server);
/* limits_check for what the plan allows: workers twice, since those of a reload come while the earlier ones may still
 * be busy; descriptors are the master's own. */
int plan_check_limits(const struct plan *plan);

struct places;

struct planner {
    /* The configuration read anew, with all that it names. NULL, and why: "file:line: option: text". */
    struct plan *(*make)(const struct planner *planner, char *why, size_t why_size);
    /* The same configuration, the files that it names (certificates) read anew. */
    struct plan *(*renew)(const struct planner *planner, const struct plan *old, char *why, size_t why_size);
    void (*drop)(const struct planner *planner, struct plan **plan);
    const void *context;   /* the planner's own */
    struct places *places; /* of inside servers; NULL: nobody keeps any */
};

#endif
