/*
 * Faults for the server under test: preloaded into it, this counts what it does to the files below one directory and
 * lets the n-th operation fail, or ends the process there. Linux, any libc; the system calls are made directly.
 *
 *   FAULT_DIR     the directory; nothing else is touched
 *   FAULT_REPORT  a file of REPORT_BYTES that outlives the process: see struct report
 *   FAULT_OPS     which operations count: letters of w (write, pwrite), s (fsync, fdatasync), r (rename)
 *   FAULT_AT      the number of the first one that fails, from 1 on; 0 lets all through
 *   FAULT_FOR     how many fail from there on; 0 is all
 *   FAULT_ACT     eio     it fails with EIO
 *                 enospc  it fails with ENOSPC; if all from there on fail, the first write is cut in half before
 *                 short   a write is cut in half, as a write may be
 *                 lost    a sync fails with EIO, and what was not synced before is gone: zeros stand in its place
 *                 hold    a sync waits as long as there is a file named like the report, with .hold behind
 *                 kill    it is done, then the process gets SIGKILL
 *                 torn    as kill, but of a write only half is done
 *                 cut     as kill, but first every file is cut to what was synced of it: a power cut
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 4096
#define REPORT_BYTES 4096

struct report {
    uint64_t seen;  /* operations that counted */
    uint64_t done;  /* faults */
    char first[];   /* the first one: its letter, a space, its path */
};

/* How much of a file a power cut leaves. */
struct file {
    dev_t device;
    ino_t inode;
    off_t synced;
    char path[256];
};

enum act { NONE, FAIL, SHORT, LOST, HOLD, KILL, TORN, CUT };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct report *report;
static const char *dir, *ops;
static size_t dir_length;
static char held[PATH_MAX];
static uint64_t at, count;
static enum act act;
static int failure = EIO, is_full;
static struct file files[FILES_MAX];
static size_t file_count;

__attribute__((constructor)) static void begin(void) {
    const char *what = getenv("FAULT_ACT"), *to = getenv("FAULT_REPORT");
    dir = getenv("FAULT_DIR");
    ops = getenv("FAULT_OPS");
    if (!what || !to || !dir || !ops || !getenv("FAULT_AT") || !getenv("FAULT_FOR")) return;
    dir_length = strlen(dir);
    at = strtoull(getenv("FAULT_AT"), NULL, 10);
    count = strtoull(getenv("FAULT_FOR"), NULL, 10);
    snprintf(held, sizeof held, "%s.hold", to);
    act = !strcmp(what, "short") ? SHORT : !strcmp(what, "lost") ? LOST : !strcmp(what, "hold") ? HOLD
        : !strcmp(what, "kill") ? KILL
        : !strcmp(what, "torn") ? TORN : !strcmp(what, "cut") ? CUT : FAIL;
    if (!strcmp(what, "enospc")) {
        failure = ENOSPC;
        is_full = count == 0;
    }
    int fd = open(to, O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, REPORT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    report = map;
}

static int is_ours(const char *path) { return !strncmp(path, dir, dir_length) && path[dir_length] == '/'; }

/* The path of an open file, if it is one of ours. */
static int path_of(int fd, char path[PATH_MAX]) {
    char link[64];
    if (!report) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_ours(path);
}

/* What to do with the next operation. Holds the lock. */
static enum act next(char letter, const char *path) {
    if (!strchr(ops, letter)) return NONE;
    uint64_t number = ++report->seen;
    if (!at || number < at || (count && number >= at + count)) return NONE;
    if (!report->done++) snprintf(report->first, REPORT_BYTES - sizeof *report, "%c %s", letter, path);
    return act;
}

/* The row of an open regular file, new if it has none. Holds the lock. */
static struct file *row_of(int fd, const char *path, struct stat *now) {
    if (fstat(fd, now) || !S_ISREG(now->st_mode)) return NULL;
    for (size_t i = 0; i < file_count; i++)
        if (files[i].inode == now->st_ino && files[i].device == now->st_dev) {
            if (now->st_size < files[i].synced) files[i].synced = now->st_size;
            snprintf(files[i].path, sizeof files[i].path, "%s", path);
            return &files[i];
        }
    if (file_count == FILES_MAX) abort();
    struct file *row = &files[file_count++];
    row->device = now->st_dev;
    row->inode = now->st_ino;
    row->synced = now->st_size; /* what is there before the first write is an earlier process's */
    snprintf(row->path, sizeof row->path, "%s", path);
    return row;
}

/* Ends the process. Holds the lock, so that no operation of another thread comes after. */
static void end(int cuts) {
    for (size_t i = 0; cuts && i < file_count; i++) {
        struct stat now;
        if (!stat(files[i].path, &now) && now.st_ino == files[i].inode && now.st_size > files[i].synced)
            (void)!truncate(files[i].path, files[i].synced);
    }
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static ssize_t put(int fd, const void *bytes, size_t size, off_t offset) {
    return offset < 0 ? syscall(SYS_write, fd, bytes, size) : syscall(SYS_pwrite64, fd, bytes, size, offset);
}

/* write where offset is negative, else pwrite. */
static ssize_t write_at(int fd, const void *bytes, size_t size, off_t offset) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return put(fd, bytes, size, offset);
    pthread_mutex_lock(&lock);
    struct stat now;
    row_of(fd, path, &now);
    enum act what = next('w', path);
    size_t half = size > 1 ? size / 2 : size;
    ssize_t done;
    if (what == FAIL && !(is_full && report->done == 1)) {
        errno = failure;
        done = -1;
    } else {
        done = put(fd, bytes, what == FAIL || what == SHORT || what == TORN ? half : size, offset);
        if (what >= KILL) end(what == CUT);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t size) { return write_at(fd, bytes, size, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return write_at(fd, bytes, size, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset) { return write_at(fd, bytes, size, offset); }

static int sync_by(long call, int fd) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    struct stat now;
    struct file *row = row_of(fd, path, &now);
    enum act what = next('s', path);
    int done = -1;
    if (what == FAIL || what == SHORT || what == LOST) {
        if (what == LOST && row && (ftruncate(fd, row->synced) || ftruncate(fd, now.st_size))) abort();
        errno = failure;
    } else {
        /* Others may write meanwhile; what they add is not counted as synced. */
        pthread_mutex_unlock(&lock);
        while (what == HOLD && !access(held, F_OK)) usleep(1000);
        done = (int)syscall(call, fd);
        pthread_mutex_lock(&lock);
        if (!done && row && row->synced < now.st_size) row->synced = now.st_size;
        if (what >= KILL) end(what == CUT);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd) { return sync_by(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }

int rename(const char *from, const char *to) {
    if (!report || !is_ours(to)) return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    struct stat now;
    int found = !stat(from, &now);
    enum act what = next('r', to);
    int done = -1;
    if (what == FAIL || what == SHORT || what == LOST) {
        errno = failure;
    } else {
        done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
        for (size_t i = 0; !done && found && i < file_count; i++)
            if (files[i].inode == now.st_ino) snprintf(files[i].path, sizeof files[i].path, "%s", to);
        if (what >= KILL) end(what == CUT);
    }
    pthread_mutex_unlock(&lock);
    return done;
}
