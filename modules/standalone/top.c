/* signalbox top: the status of a server in the terminal, once a second. After: top_fetch.c, top_model.c,
 * top_view.c. */
#include "modules/standalone/top.h"

#include "engine/base/near.h"
#include "modules/standalone/options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define EVERY 1000 /* ms */
#define KEYS  "q quit   left, right: sort by   r reverse   up, down: scroll   space: pause"

typedef struct top {
    source source;
    bool once, reverse, paused, quit;
    top_column sort;
    size_t first;
    top_model models[2]; /* now and before, in turn */
    unsigned turn;       /* which one is now */
    bool known;          /* there was an answer */
    char trouble[256];   /* why there is none now */
    int signals;
    struct termios before; /* of the terminal */
} top;

/* ---- command line ---- */

static bool read_sort(top *t, const char *word)
{
    for (int i = 0; top_column_names[i] != NULL; i++) {
        if (strcmp(top_column_names[i], word) != 0)
            continue;
        t->sort = (top_column)i;
        return true;
    }
    const char *near = sb_near_word(word, top_column_names);
    fprintf(stderr, "signalbox: top: --sort '%s': must be name, peers, in, out, queued or dropped", word);
    fprintf(stderr, near != NULL ? ", did you mean '%s'?\n" : "\n", near);
    return false;
}

static bool read_word(top *t, const char *word, const char **where)
{
    if (*word == '-' || *where != NULL) {
        fprintf(stderr, "signalbox: top: unknown %s '%s'\n", *word == '-' ? "option" : "argument", word);
        return false;
    }
    *where = word;
    (void)t;
    return true;
}

static bool read_words(top *t, int argc, char **argv)
{
    const char *where = NULL;
    char err[512];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--once") == 0)
            t->once = true;
        else if (strcmp(argv[i], "--sort") == 0 || strncmp(argv[i], "--sort=", 7) == 0) {
            if (!read_sort(t, argv[i][6] == '=' ? argv[i] + 7 : i + 1 < argc ? argv[++i] : ""))
                return false;
        } else if (!read_word(t, argv[i], &where))
            return false;
    }
    if (where != NULL && source_parse(where, &t->source, err, sizeof err))
        return true;
    fprintf(stderr, "signalbox: top: %s\n", where != NULL ? err : "an address is missing");
    return false;
}

/* ---- looking ---- */

static top_model *model_now(top *t)
{
    return &t->models[t->turn % 2];
}

/* A process that is another one counts anew; where workers take turns in answering their sum goes on. */
static void take_status(top *t, const json *status)
{
    const top_model *before = t->known ? model_now(t) : NULL;
    bool same =
        before != NULL && (before->pid == json_number(status, "pid") || json_number(status, "workers") > 1);
    t->turn++;
    top_model_make(status, same ? before : NULL, model_now(t));
    t->known = true;
}

static bool look(top *t)
{
    char *text;
    json *status = source_fetch(&t->source, &text, t->trouble, sizeof t->trouble);
    for (char *p = t->trouble; *p != '\0'; p++)
        *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
    if (status == NULL)
        return false;
    take_status(t, status);
    t->trouble[0] = '\0';
    json_free(status);
    free(text);
    return true;
}

static int print_once(top *t)
{
    top_text out = {0};
    if (!look(t)) {
        fprintf(stderr, "signalbox: top: %s\n", t->trouble);
        return 1;
    }
    top_model_sort(model_now(t), t->sort, t->reverse);
    top_draw(model_now(t), &(top_view){.sort = t->sort}, &out);
    fputs(out.text != NULL ? out.text : "", stdout);
    free(out.text);
    return 0;
}

/* ---- the screen ---- */

/* A picture goes out in one piece. */
static void put(const char *text)
{
    fputs(text, stdout);
}

static void draw(top *t)
{
    struct winsize size = {0};
    top_text out = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    top_model_sort(model_now(t), t->sort, t->reverse);
    if (t->first >= model_now(t)->n)
        t->first = model_now(t)->n > 0 ? model_now(t)->n - 1 : 0;
    const top_view view = {.width = size.ws_col > 0 ? size.ws_col : 80,
        .height = size.ws_row > 0 ? size.ws_row : 24,
        .styled = true,
        .sort = t->sort,
        .first = t->first,
        .note = t->trouble[0] != '\0' ? t->trouble
                : t->paused           ? "paused"
                                      : NULL,
        .keys = KEYS};
    top_draw(model_now(t), &view, &out);
    put("\033[H");
    for (char *at = out.text; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "\n");
        put("\033[K"); /* before the line: behind a full one it would take its last character */
        fwrite(at, 1, len, stdout);
        put(at[len] == '\n' ? "\r\n" : "");
        at += len + (at[len] == '\n');
    }
    fflush(stdout);
    free(out.text);
}

static bool open_screen(top *t)
{
    sigset_t set;
    struct termios raw;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signals < 0 || tcgetattr(STDIN_FILENO, &t->before) != 0)
        return false;
    raw = t->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    setvbuf(stdout, NULL, _IOFBF, 65536);
    put("\033[?1049h\033[?25l\033[2J");
    return true;
}

static void close_screen(top *t)
{
    put("\033[?25h\033[?1049l");
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
    close(t->signals);
}

/* ---- keys ---- */

static void sort_by(top *t, int step)
{
    t->sort = (top_column)(((int)t->sort + step + TOP_COLUMNS) % TOP_COLUMNS);
    t->first = 0;
}

static void scroll(top *t, int step)
{
    if (step > 0 || t->first > 0)
        t->first += (size_t)step; /* draw keeps it in bounds */
}

static void on_arrow(top *t, char key)
{
    if (key == 'A' || key == 'B')
        scroll(t, key == 'B' ? 1 : -1);
    else if (key == 'C' || key == 'D')
        sort_by(t, key == 'C' ? 1 : -1);
}

static void on_key(top *t, char key)
{
    if (key == 'q')
        t->quit = true;
    else if (key == 'r')
        t->reverse = !t->reverse;
    else if (key == ' ' || key == 'p')
        t->paused = !t->paused;
}

static void on_input(top *t)
{
    char keys[64];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    t->quit |= n <= 0; /* the terminal is gone */
    for (ssize_t i = 0; i < n; i++) {
        if (keys[i] == '\033' && i + 2 < n && (keys[i + 1] == '[' || keys[i + 1] == 'O'))
            on_arrow(t, keys[i += 2]);
        else
            on_key(t, keys[i]);
    }
}

static void on_signals(top *t)
{
    struct signalfd_siginfo info;
    while (read(t->signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGWINCH)
            put("\033[2J");
        else
            t->quit = true;
}

static long now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until the next look, or something that changes what is shown. */
static void wait_for_input(top *t, long until)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = t->signals, .events = POLLIN}};
    long left = until - now_ms();
    if (poll(fds, 2, left > 0 ? (int)left : 0) <= 0)
        return;
    if (fds[0].revents != 0)
        on_input(t);
    if (fds[1].revents != 0)
        on_signals(t);
}

static int run_screen(top *t)
{
    if (!look(t)) { /* before there is a screen: a wrong address is not worth one */
        fprintf(stderr, "signalbox: top: %s\n", t->trouble);
        return 1;
    }
    if (!open_screen(t)) {
        fprintf(stderr, "signalbox: top: standard input is no terminal; use --once\n");
        return 1;
    }
    for (long next = now_ms() + EVERY; !t->quit; wait_for_input(t, next)) {
        if (now_ms() >= next) {
            if (!t->paused)
                look(t);
            next = now_ms() + EVERY;
        }
        draw(t);
    }
    close_screen(t);
    return 0;
}

int top_main(const command *cmd, int argc, char **argv)
{
    top *t = calloc(1, sizeof *t);
    if (t == NULL)
        return 1;
    bool ok = read_words(t, argc, argv);
    int code = !ok ? command_usage(cmd) : t->once || !isatty(STDOUT_FILENO) ? print_once(t) : run_screen(t);
    free(t);
    return code;
}
