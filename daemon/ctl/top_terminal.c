/* SPDX-License-Identifier: ISC */
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"

#include "daemon/ctl/top_terminal.h"

enum { ESCAPE_WAIT_MS = 50, REDRAW = 'L' - '@' /* ^L: somebody wrote on the screen */ };

static void restore(void)
{
    if (!isendwin())
        endwin();
}

/* Of what ends us and of a new size; a stop by ^Z is ncurses' own. */
static int take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

static bool fail(char why_out[ASK_WHY_MAX], const char *why)
{
    snprintf(why_out, ASK_WHY_MAX, "%s", why);
    return false;
}

static bool fail_for_kind(char why_out[ASK_WHY_MAX])
{
    const char *kind = getenv("TERM");
    char plain[COLUMN_CELL_MAX];
    column_print_text(plain, kind != NULL ? kind : "", kind != NULL ? strlen(kind) : 0);
    snprintf(why_out, ASK_WHY_MAX,
             "nothing is known of this terminal, or too little (TERM=%.40s): try TERM=vt100 posternctl top, install "
             "ncurses-term, or take posternctl stats",
             plain);
    return false;
}

static bool can_move_cursor(void)
{
    char name[] = "cup";
    const char *move = tigetstr(name);
    return move != NULL && move != (const char *)-1;
}

static void prepare(void)
{
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(ESCAPE_WAIT_MS);
    curs_set(0);
}

bool top_terminal_is_one(char why_out[ASK_WHY_MAX])
{
    return (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) ||
           fail(why_out,
                "top needs a terminal: without one there are posternctl stats, posternctl sessions, and --json "
                "for programs");
}

bool top_terminal_open(struct top_terminal *terminal, char why_out[ASK_WHY_MAX])
{
    *terminal = (struct top_terminal){.signals = -1};
    setlocale(LC_CTYPE, "");
    terminal->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (newterm(NULL, stdout, stdin) == NULL)
        return fail_for_kind(why_out);
    atexit(restore);
    if (!can_move_cursor()) {
        restore();
        return fail_for_kind(why_out);
    }
    terminal->signals = take_signals();
    prepare();
    return true;
}

/* -- keys */

static int key_of(int read)
{
    static const struct {
        int read, key;
    } keys[] = {
        {KEY_UP, TOP_KEY_UP},
        {KEY_DOWN, TOP_KEY_DOWN},
        {KEY_PPAGE, TOP_KEY_PAGE_UP},
        {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
        {KEY_HOME, TOP_KEY_HOME},
        {KEY_END, TOP_KEY_END},
        {'\t', TOP_KEY_TAB},
        {KEY_BTAB, TOP_KEY_BACK_TAB},
        {KEY_BACKSPACE, TOP_KEY_BACKSPACE},
        {'\b', TOP_KEY_BACKSPACE},
        {127, TOP_KEY_BACKSPACE},
        {'\n', TOP_KEY_ENTER},
        {'\r', TOP_KEY_ENTER},
        {KEY_ENTER, TOP_KEY_ENTER},
        {27, TOP_KEY_ESCAPE},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].read == read)
            return keys[i].key;
    return read >= ' ' && read <= '~' ? read : 0; /* no key that does anything */
}

int top_terminal_key(void)
{
    int read;
    while ((read = getch()) == KEY_RESIZE || read == REDRAW) /* no keys: they answer no question */
        if (read == REDRAW)
            clearok(curscr, TRUE);
    return read == ERR ? TOP_KEY_NONE : key_of(read);
}

/* -- waiting */

static void take_size(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        resizeterm(size.ws_row, size.ws_col);
}

static void hear_signals(struct top_terminal *terminal)
{
    struct signalfd_siginfo heard;
    while (read(terminal->signals, &heard, sizeof(heard)) == sizeof(heard)) {
        if (heard.ssi_signo == SIGWINCH)
            take_size();
        else
            terminal->gone = true;
    }
}

void top_terminal_wait(struct top_terminal *terminal, int64_t deadline_ms)
{
    struct pollfd wanted[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = terminal->signals, .events = POLLIN}};
    clock_poll(wanted, 2, deadline_ms);
    if ((wanted[1].revents & POLLIN) != 0)
        hear_signals(terminal);
    if ((wanted[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        terminal->gone = true;
}

void top_terminal_close(struct top_terminal *terminal)
{
    restore();
    close(terminal->signals);
}
