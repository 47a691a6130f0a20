/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#include "tests/lib/fake_clock.h"
#include "tests/talk/expect.h"
#include "tests/talk/play.h"
#include "tests/talk/play_tls.h"
#include "tests/talk/sides.h"
#include "tests/talk/subject.h"

enum { JUMPS_MAX = 2000, LOG_LINES_MAX = 4096, DESCRIPTORS_MAX = 1024 };

static struct play {
    const struct script *script;
    struct report *report;
    struct sides sides;
    size_t next;         /* step */
    int64_t time_passed; /* of the STEP_TIME that is being played */
    int jumps;           /* of the time, where the talk says no more */
    int busy, held;      /* workers of the house */
    bool in_session;
    bool again; /* the step was begun, and the session went on */
    char *log[LOG_LINES_MAX];
    size_t log_heard[LOG_LINES_MAX]; /* by the outside, before that line was written */
    size_t log_count, log_seen;
} play; /* the clock's and the log's callbacks carry no context */

static const struct step *next_step(void)
{
    return play.next < play.script->step_count ? &play.script->steps[play.next] : NULL;
}

static struct end *end_of(const struct step *step)
{
    return step->side == SIDE_OUTSIDE ? &play.sides.outside : sides_inside(&play.sides);
}

/* What the step was about, and what was there instead. */
static _Noreturn void fail_heard(const struct step *step)
{
    const struct end *end = end_of(step);
    const char *side = step->side == SIDE_OUTSIDE ? "the outside" : "the inside";
    const char *session = play.in_session ? "the session waits" : "the session is over";
    char text[1024];
    int elsewhere = sides_unaccepted(&play.sides);
    if (elsewhere)
        session = "the session waits for a server that has not accepted its connection";
    if (!end)
        report_fail(play.report, "but there is no inside connection, and %s", session);
    if (end_unheard(end).size > 0)
        report_fail(play.report, "but %s heard: %s%s", side, octets_print(text, sizeof text, end_unheard(end)),
                    end->ended ? " (and the connection is closed)" : "");
    if (end->ended)
        report_fail(play.report, "but %s heard no more: the connection is closed, and %s", side, session);
    report_fail(play.report, "but %s has heard nothing more, and %s", side, session);
}

static void need(const struct step *step, bool is_so)
{
    if (!is_so)
        fail_heard(step);
}

static void play_say(const struct step *step)
{
    struct end *end = end_of(step);
    if (!end)
        report_fail(play.report, "but there is no inside connection");
    if (step->side == SIDE_OUTSIDE && (end->ended || !play.in_session))
        fail_heard(step);
    if (step->side == SIDE_INSIDE && strncmp(step->text, "354", 3) == 0 && !end->ended)
        sides_begin_data(&play.sides);
    if (end->fd < 0)
        return;
    end_say(end, slice_make(step->text, step->size), play.report);
    if (step->joined)
        end_say_all(end, play.report);
    sides_move(&play.sides);
}

static void play_reply(const struct step *step)
{
    struct end *end = end_of(step);
    size_t size = expect_reply_size(end_unheard(end));
    need(step, size > 0 && expect_reply(step, slice_make(end_unheard(end).at, size)));
    end_take(end, size);
}

static void play_line(const struct step *step)
{
    struct end *end = end_of(step);
    size_t size = end ? expect_line_size(end_unheard(end)) : 0;
    need(step, size > 0 && expect_line(step, slice_make(end_unheard(end).at, size)));
    end_take(end, size);
}

static void play_field(const struct step *step)
{
    struct end *end = end_of(step);
    size_t size = end ? expect_field_size(end_unheard(end)) : 0;
    need(step, size > 0 && expect_field(step, slice_make(end_unheard(end).at, size)));
    end_take(end, size);
}

static void play_octets(const struct step *step)
{
    struct end *end = end_of(step);
    need(step, end && end_unheard(end).size >= step->size);
    need(step, memcmp(end_unheard(end).at, step->text, step->size) == 0);
    end_take(end, step->size);
}

static void play_nothing(const struct step *step)
{
    struct end *end = end_of(step);
    int server = step->side == SIDE_INSIDE ? sides_unaccepted(&play.sides) : 0;
    if (server)
        report_fail(play.report, "but server %d was connected to", server);
    need(step, !end || end_unheard(end).size == 0);
    need(step, step->side == SIDE_INSIDE || !end->ended);
}

static void play_connect(const struct step *step)
{
    int server = (int)step->number;
    if (sides_accept(&play.sides, server))
        return;
    int other = sides_unaccepted(&play.sides);
    if (other)
        report_fail(play.report, "but server %d was connected to, not server %d", other, server);
    report_fail(play.report, "but nobody connects to server %d", server);
}

static const char *deed_name(enum step_kind kind)
{
    return kind == STEP_CLOSE ? "close" : kind == STEP_RESET ? "reset" : "half-close";
}

static void play_close(const struct step *step)
{
    struct end *end = end_of(step);
    need(step, end != NULL && (end->fd >= 0));
    need(step, end_unheard(end).size == 0 || step->kind == STEP_HALF_CLOSE);
    report_event(play.report, step->side == SIDE_OUTSIDE ? "O" : "I", "%s", deed_name(step->kind));
    if (step->kind == STEP_CLOSE)
        end_close(end);
    else if (step->kind == STEP_HALF_CLOSE)
        end_half_close(end);
    else if (step->side == SIDE_OUTSIDE)
        end_reset(end, play.in_session && !end->ended ? play.sides.outside_session_fd : -1);
    else
        end_reset(end, sides_session_fd(&play.sides));
}

static void play_closed(const struct step *step)
{
    struct end *end = end_of(step);
    need(step, end && end->ended && end_unheard(end).size == 0);
    if (step->kind == STEP_TLS_CLOSED && (!end->tls || secure_state(end->tls) != SECURE_ENDED))
        report_fail(play.report, "but no close_notify was heard before");
}

/* As servers do: who was told goodbye may wait for it. */
static bool hang_up_on_dismissed(struct end *end)
{
    if (!end->dismissed || end->ended || end->half_closed)
        return false;
    if (end->unsaid.size == 0)
        end_half_close(end);
    return true;
}

/* False: it says QUIT, which was answered now, or it waits for the end behind the answer. */
static bool play_leaves(const struct step *step)
{
    static const struct slice quit = SLICE("QUIT\r\n"), bye = SLICE("221 2.0.0 Bye\r\n");
    struct end *end = end_of(step);
    need(step, end != NULL);
    if (slice_equal(end_unheard(end), quit)) {
        end_take(end, quit.size);
        if (!end->ended)
            end_say(end, bye, play.report);
        end->dismissed = true;
        return end->ended;
    }
    if (hang_up_on_dismissed(end))
        return false;
    play_closed(step);
    return true;
}

static void play_broken_off(const struct step *step)
{
    struct end *end = end_of(step);
    need(step, end && end->ended);
    if (!sides_in_data(&play.sides))
        report_fail(play.report, "but no message was being sent inside, or its final dot was");
    end_take(end, end_unheard(end).size);
}

/* The index of the log line, from those since the last L:, that has all the words; log_count when none has. */
static size_t find_log(const struct step *step)
{
    size_t i = play.log_seen;
    while (i < play.log_count && !expect_words(slice_make(step->text, step->size), slice_of(play.log[i])))
        i++;
    return i;
}

static void play_log(const struct step *step)
{
    size_t i = find_log(step);
    if (step->kind == STEP_NO_LOG) {
        if (i < play.log_count)
            report_fail(play.report, "but this was logged: %s", play.log[i]);
        return;
    }
    if (i == play.log_count)
        report_fail(play.report, "but none of the %zu log lines since the last L: is so", i - play.log_seen);
    if (step->kind == STEP_LATE_LOG && play.log_heard[i] < play.sides.outside.taken)
        report_fail(play.report, "but it was written before the outside had heard the last reply: %s", play.log[i]);
    play.log_seen = i + 1;
}

/* The rest does not matter. */
static void play_end(void)
{
    end_take(&play.sides.outside, end_unheard(&play.sides.outside).size);
    for (int server = sides_unaccepted(&play.sides); server; server = sides_unaccepted(&play.sides))
        sides_accept(&play.sides, server);
    for (int i = 0; i < play.sides.inside_count; i++)
        end_take(&play.sides.inside[i], end_unheard(&play.sides.inside[i]).size);
}

static bool play_secure(const struct step *step)
{
    struct end *end = end_of(step);
    if (!end || (end->fd < 0 && !play.again))
        report_fail(play.report, "but there is no connection");
    return play_tls(step, end, &play.sides, play.again);
}

static void play_deafness(const struct step *step)
{
    need(step, end_of(step) != NULL);
    end_of(step)->deaf = step->kind == STEP_DEAF;
}

static void play_ending(const struct step *step)
{
    (void)step;
    play_end();
}

static void play_time(const struct step *step)
{
    fake_clock_move_to(clock_ms() + step->number - play.time_passed);
    play.time_passed = 0;
}

static void play_beside(const struct step *step)
{
    subject_beside((int)step->number);
}

static void play_taken(const struct step *step)
{
    if (step->kind == STEP_TAKEN)
        subject_taken((int)step->number);
    else
        subject_waiting((int)step->number);
}

static void play_house(const struct step *step)
{
    if (step->kind == STEP_BUSY)
        play.busy = (int)step->number;
    else
        play.held = (int)step->number;
    subject_house(play.busy, play.held);
}

static void play_ask(const struct step *step)
{
    for (int64_t i = 0; i < step->number; i++)
        subject_ask_for_room();
}

static void play_asked(const struct step *step)
{
    int count = subject_room_asked_for();
    if (count != step->number)
        report_fail(play.report, "but room was asked for %d times", count);
}

/* What is done at once .. */
static void (*const plays[STEP_KINDS])(const struct step *step) = {
    [STEP_SAY] = play_say,         [STEP_REPLY] = play_reply,     [STEP_LINE] = play_line,
    [STEP_OCTETS] = play_octets,   [STEP_FIELD] = play_field,     [STEP_NOTHING] = play_nothing,
    [STEP_CONNECT] = play_connect, [STEP_CLOSE] = play_close,     [STEP_HALF_CLOSE] = play_close,
    [STEP_RESET] = play_close,     [STEP_CLOSED] = play_closed,   [STEP_TLS_CLOSED] = play_closed,
    [STEP_DEAF] = play_deafness,   [STEP_LISTEN] = play_deafness, [STEP_BROKEN_OFF] = play_broken_off,
    [STEP_LOG] = play_log,         [STEP_LATE_LOG] = play_log,    [STEP_NO_LOG] = play_log,
    [STEP_END] = play_ending,      [STEP_TIME] = play_time,       [STEP_BUSY] = play_house,
    [STEP_HELD] = play_house,      [STEP_ASK] = play_ask,         [STEP_ASKED] = play_asked,
    [STEP_BESIDE] = play_beside,   [STEP_TAKEN] = play_taken,     [STEP_WAITING] = play_taken,
};

/* .. and what may have to wait: false, the session goes on first. */
static bool (*const waits[STEP_KINDS])(const struct step *step) = {
    [STEP_LEAVES] = play_leaves,       [STEP_TLS] = play_secure,          [STEP_TLS_FAILS] = play_secure,
    [STEP_TLS_BEGINS] = play_secure,   [STEP_TLS_FINISHES] = play_secure, [STEP_TRICKLE] = play_secure,
    [STEP_CLIENT_HELLO] = play_secure, [STEP_NO_TLS] = play_secure,       [STEP_CLOSE_NOTIFY] = play_secure,
    [STEP_CLEAR] = play_secure,
};

/* False: not done yet. */
static bool play_step(const struct step *step)
{
    if (waits[step->kind])
        return waits[step->kind](step);
    plays[step->kind](step);
    return true;
}

static void begin_step(const struct step *step)
{
    play.report->line = step->line;
    snprintf(play.report->step, sizeof play.report->step, "%s", step->source);
}

static void play_next(const struct step *step)
{
    begin_step(step);
    play.again = !play_step(step);
    play.next += !play.again;
}

/* With those that are to happen before the session goes on. */
static void play_joined(const struct step *step)
{
    play_next(step);
    for (bool joined = step->joined; joined && (step = next_step()) != NULL; joined = step->joined)
        play_next(step);
}

/* Time passes up to the session's deadline; the rest of it when the session waits again. */
static void pass_time(const struct step *step, int64_t deadline_ms)
{
    int64_t rest = step->number - play.time_passed;
    begin_step(step);
    if (deadline_ms - clock_ms() <= rest) {
        play.time_passed += deadline_ms - clock_ms();
        fake_clock_move_to(deadline_ms);
        return;
    }
    fake_clock_move_to(clock_ms() + rest);
    play.time_passed = 0;
    play.next++;
    report_event(play.report, "@", "%lld ms", (long long)step->number);
}

/* Nothing more is said, or what is does not matter: the session's deadlines must bring it to its end. */
static void jump(const struct step *end, int64_t deadline_ms)
{
    if (end)
        begin_step(end);
    if (deadline_ms == CLOCK_NEVER || ++play.jumps > JUMPS_MAX)
        report_fail(play.report, "but the session waits for ever");
    report_event(play.report, "@", "%lld ms (to the deadline)", (long long)(deadline_ms - clock_ms()));
    fake_clock_move_to(deadline_ms);
}

static bool outside_is_gone(void)
{
    return play.sides.outside.fd < 0;
}

/* The session would wait. */
static void on_wait(int64_t deadline_ms)
{
    const struct step *step = next_step();
    if (sides_move(&play.sides))
        return;
    if (step && step->kind == STEP_TIME) {
        pass_time(step, deadline_ms);
        return;
    }
    if (step && step->kind == STEP_CONNECT && step->side == SIDE_OUTSIDE)
        report_fail(play.report, "the session is not over when the next one is to begin: it waits");
    if (step && step->kind != STEP_END)
        play_joined(step);
    else if (step || outside_is_gone())
        jump(step, deadline_ms);
    else
        report_fail(play.report, "the talk has ended, but the session still waits");
}

/* What is older than thousands of lines, no step asks for. */
static void drop_oldest_log(void)
{
    size_t half = LOG_LINES_MAX / 2;
    for (size_t i = 0; i < half; i++)
        free(play.log[i]);
    memmove(play.log, play.log + half, half * sizeof *play.log);
    memmove(play.log_heard, play.log_heard + half, half * sizeof *play.log_heard);
    play.log_count = half;
    play.log_seen = play.log_seen > half ? play.log_seen - half : 0;
}

static void on_log(const char *line)
{
    if (play.log_count == LOG_LINES_MAX)
        drop_oldest_log();
    sides_move(&play.sides);
    play.log_heard[play.log_count] = play.sides.outside.heard.size;
    report_event(play.report, "L:", "%s", line);
    play.log[play.log_count] = strdup(line);
    if (!play.log[play.log_count++])
        abort();
}

struct descriptors {
    bool open[DESCRIPTORS_MAX];
};

static struct descriptors open_descriptors(void)
{
    struct descriptors d;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        d.open[fd] = fcntl(fd, F_GETFD) >= 0;
    return d;
}

static bool is_ours(int fd)
{
    for (int i = 0; i < play.sides.inside_count; i++)
        if (play.sides.inside[i].fd == fd)
            return true;
    return play.sides.outside.fd == fd;
}

/* What the session leaves open, one session after the other loses (L8). */
static void check_descriptors(const struct descriptors *before)
{
    struct descriptors after = open_descriptors();
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        if (after.open[fd] && !before->open[fd] && !is_ours(fd))
            report_fail(play.report, "the session is over, but descriptor %d stayed open", fd);
}

static void serve(const char *client)
{
    struct descriptors before = open_descriptors();
    int fd = sides_connect_outside(&play.sides);
    play.jumps = 0;
    play.in_session = true;
    subject_serve(fd, client);
    play.in_session = false;
    check_descriptors(&before);
    report_event(play.report, "", "(the session is over)");
}

/* The steps that are left must hold without it. */
static void play_rest(void)
{
    const struct step *step;
    while ((step = next_step()) != NULL) {
        sides_move(&play.sides);
        if (step->kind == STEP_CONNECT && step->side == SIDE_OUTSIDE)
            return;
        play_next(step);
    }
    sides_move(&play.sides);
}

/* Every octet must have been dealt with. */
static void check_unheard(void)
{
    const struct step *last = play.script->step_count ? &play.script->steps[play.script->step_count - 1] : NULL;
    char text[1024];
    if (last && last->kind == STEP_END)
        return;
    if (play.sides.outside.fd >= 0 && end_unheard(&play.sides.outside).size > 0)
        report_fail(play.report, "at the end of the talk the outside has also heard: %s",
                    octets_print(text, sizeof text, end_unheard(&play.sides.outside)));
    for (int i = 0; i < play.sides.inside_count; i++)
        if (end_unheard(&play.sides.inside[i]).size > 0)
            report_fail(play.report, "at the end of the talk the inside has also heard: %s",
                        octets_print(text, sizeof text, end_unheard(&play.sides.inside[i])));
    if (sides_unaccepted(&play.sides))
        report_fail(play.report, "at the end of the talk server %d was connected to", sides_unaccepted(&play.sides));
}

static const char *client_of(const struct step *connect)
{
    return connect && connect->size > 0 ? connect->text : script_client(play.script);
}

/* How full the house, and inside, is when the client comes. */
static void play_before(void)
{
    const struct step *step;
    while ((step = next_step()) != NULL && (step->kind == STEP_BUSY || step->kind == STEP_TAKEN))
        play_next(step);
}

static void play_sessions(void)
{
    const struct step *connect = NULL;
    do {
        play_before();
        serve(client_of(connect));
        play_rest();
        connect = next_step();
        play.next += connect != NULL;
    } while (connect);
}

void play_run(const struct script *script, const char *directory, size_t cut, struct report *report)
{
    char why[1024];
    play.script = script;
    play.busy = 1;
    play.report = report;
    sides_open(&play.sides, script, directory, script->uncut ? 0 : cut, report);
    subject_log_to(on_log);
    if (!subject_prepare(script, directory, why, sizeof why))
        report_fail(report, "%s", why);
    fake_clock_own(on_wait);
    play_sessions();
    check_unheard();
    sides_close(&play.sides);
    subject_clear();
    for (size_t i = 0; i < play.log_count; i++)
        free(play.log[i]);
}
