/* A disk that fails, for programs that are started with this library in LD_PRELOAD and call shim_arm().
 *
 * Only files below the armed directory are touched. Between two syncs of a file the shim remembers each write with the
 * bytes it replaced, and each new or changed name until its directory is synced. A power cut at a chosen step restores,
 * keeps or garbles what was not synced (by 512-byte sectors, or as a prefix, or all of it), takes back a suffix of the
 * unsynced name changes, and kills the process with SIGKILL: the page cache then holds what a disk could have held.
 * After a failed sync its writes stay in the page cache but count as clean, as in Linux: later syncs do not write them
 * unless they are written again, and POSIX_FADV_DONTNEED shows what the disk has.
 * A step is one write, one sync, one rename or one new name. Everything random comes from the seed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 256, NAMES_MAX = 4096, SECTOR_BYTES = 512 };

struct write_log { off_t offset; size_t length; unsigned char *before; struct write_log *older; int is_stale; };
struct tracked { dev_t device; ino_t inode; int fd; struct write_log *newest; };
struct name_change { char from[512]; char to[512]; char replaced[544]; int is_new; };

static struct {
    int armed, sync_is_stub, short_writes;
    long step, kill_step, crash_step, syncs, eio_sync, space_bytes;
    uint64_t random;
    char directory[512];
} shim = {.kill_step = -1, .crash_step = -1, .eio_sync = -1, .space_bytes = -1};
static struct tracked files[FILES_MAX];
static int file_count;
static struct name_change names[NAMES_MAX];
static int name_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static uint64_t next_random(void)
{
    shim.random += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t value = shim.random;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static size_t below(size_t limit) { return limit ? next_random() % limit : 0; }

static int is_ours(const char *path) { return strncmp(path, shim.directory, strlen(shim.directory)) == 0; }

static int path_of(int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0 && is_ours(path);
}

static struct tracked *track(int fd)
{
    struct stat status;
    char link[64];
    fstat(fd, &status);
    for (int i = 0; i < file_count; i++)
        if (files[i].inode == status.st_ino && files[i].device == status.st_dev) return &files[i];
    if (file_count == FILES_MAX) abort();
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    struct tracked *file = &files[file_count++];
    *file = (struct tracked){status.st_dev, status.st_ino, REAL(open)(link, O_RDWR | O_CLOEXEC), NULL};
    return file;
}

/* A sync that worked: all is on disk but what an earlier, failed sync left behind. */
static void forget(struct tracked *file)
{
    struct write_log **place = &file->newest;
    for (struct write_log *log = file->newest, *older; log; log = older) {
        older = log->older;
        if (log->is_stale) {
            place = &log->older;
            continue;
        }
        *place = older;
        free(log->before);
        free(log);
    }
}

/* The file was truncated: nothing written before can come back. */
static void discard(struct tracked *file)
{
    for (struct write_log *log = file->newest; log; log = log->older) log->is_stale = 0;
    forget(file);
}

static void make_stale(struct tracked *file)
{
    for (struct write_log *log = file->newest; log; log = log->older) log->is_stale = 1;
}

static struct write_log *new_log(off_t offset, size_t length, struct write_log *older)
{
    struct write_log *log = calloc(1, sizeof *log);
    log->offset = offset;
    log->length = length;
    log->before = calloc(1, length + 1);
    log->older = older;
    return log;
}

static struct write_log *stale_part(const struct write_log *log, off_t from, off_t to, struct write_log *older)
{
    if (from >= to) return older;
    struct write_log *part = new_log(from, (size_t)(to - from), older);
    memcpy(part->before, log->before + (from - log->offset), part->length);
    part->is_stale = 1;
    return part;
}

/* What a new write covers of a failed sync's writes is dirty again, and what it replaces is what the disk has. */
static void revive(struct tracked *file, struct write_log *covering)
{
    off_t from = covering->offset, to = from + (off_t)covering->length;
    struct write_log **place = &file->newest;
    for (struct write_log *log = file->newest, *older; log; log = older) {
        older = log->older;
        off_t start = log->offset, end = start + (off_t)log->length;
        if (!log->is_stale || end <= from || start >= to) {
            place = &log->older;
            continue;
        }
        off_t low = start > from ? start : from, high = end < to ? end : to;
        memcpy(covering->before + (low - from), log->before + (low - start), (size_t)(high - low));
        *place = stale_part(log, start, low, stale_part(log, high, end, older));
        while (*place != older) place = &(*place)->older;
        free(log->before);
        free(log);
    }
}

/* The cache is dropped: what a failed sync left behind is gone, and reading shows the disk. */
static void drop_stale(struct tracked *file)
{
    struct write_log **place = &file->newest;
    for (struct write_log *log = file->newest, *older; log; log = older) {
        older = log->older;
        if (!log->is_stale) {
            place = &log->older;
            continue;
        }
        REAL(pwrite)(file->fd, log->before, log->length, log->offset);
        *place = older;
        free(log->before);
        free(log);
    }
}

/* What the disk made of one unsynced write. */
enum fate { ALL_KEPT, ALL_LOST, PREFIX_KEPT, SECTORS_LOST, SECTORS_LOST_OR_GARBLED, FATES };

static void settle_write(int fd, struct write_log *log, enum fate fate)
{
    size_t kept = fate == ALL_LOST ? 0 : fate == PREFIX_KEPT ? below(log->length + 1) : log->length;
    if (kept < log->length) REAL(pwrite)(fd, log->before + kept, log->length - kept, log->offset + (off_t)kept);
    if (fate != SECTORS_LOST && fate != SECTORS_LOST_OR_GARBLED) return;
    for (size_t at = 0, length; at < log->length; at += length) {
        length = SECTOR_BYTES - (size_t)(log->offset + (off_t)at) % SECTOR_BYTES;
        if (length > log->length - at) length = log->length - at;
        size_t choice = below(fate == SECTORS_LOST ? 2 : 3);
        if (choice == 0) continue;
        if (choice == 2)
            for (size_t i = 0; i < length; i++) log->before[at + i] = (unsigned char)next_random();
        REAL(pwrite)(fd, log->before + at, length, log->offset + (off_t)at);
    }
}

static void power_cut(void)
{
    for (int i = 0; i < file_count; i++)
        for (struct write_log *log = files[i].newest; log; log = log->older)
            settle_write(files[i].fd, log, (enum fate)below(FATES));
    int kept = below(2) ? name_count : (int)below((size_t)name_count + 1);
    while (name_count > kept) {
        struct name_change *change = &names[--name_count];
        if (change->is_new) REAL(unlink)(change->to);
        else REAL(rename)(change->to, change->from);
        if (*change->replaced) REAL(rename)(change->replaced, change->to);
    }
    for (int i = 0; i < name_count; i++) REAL(unlink)(names[i].replaced);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int is_last_step(void) { return ++shim.step == shim.kill_step; }

/* A crash of the program alone: the step's caller gets EIO, nothing is synced, and the cache keeps what was written. */
static int is_crash(void)
{
    if (shim.step != shim.crash_step) return 0;
    errno = EIO;
    return 1;
}

static void log_name(const char *from, const char *to, int is_new)
{
    if (name_count == NAMES_MAX) abort();
    struct name_change *change = &names[name_count++];
    snprintf(change->from, sizeof change->from, "%s", from);
    snprintf(change->to, sizeof change->to, "%s", to);
    change->is_new = is_new;
    change->replaced[0] = 0;
}

/* Keep what a rename is about to replace under another name, until the rename is synced. */
static void keep_replaced(const char *to, char *replaced, size_t size)
{
    snprintf(replaced, size, "%s.replaced-%ld", to, shim.step);
    if (link(to, replaced)) replaced[0] = 0;
}

/* The directory of the change's new name was synced: the change stays. */
static void keep_names_in(const char *directory)
{
    size_t length = strlen(directory);
    int left = 0;
    for (int i = 0; i < name_count; i++)
        if (strncmp(names[i].to, directory, length) || strchr(names[i].to + length + 1, '/')) names[left++] = names[i];
        else REAL(unlink)(names[i].replaced);
    name_count = left;
}

static ssize_t tracked_write(int fd, const void *data, size_t length, off_t offset)
{
    struct stat status;
    fstat(fd, &status);
    off_t growth = offset + (off_t)length - status.st_size;
    if (shim.space_bytes >= 0 && growth > 0) {
        if (growth > shim.space_bytes) {
            if ((size_t)(growth - shim.space_bytes) >= length) { errno = ENOSPC; return -1; }
            length -= (size_t)(growth - shim.space_bytes);
            growth = shim.space_bytes;
        }
        shim.space_bytes -= growth;
    }
    if (shim.short_writes && length > 1) length = 1 + below(length);
    int cut = is_last_step();
    if (cut) length = below(length + 1);
    struct tracked *file = track(fd);
    struct write_log *log = new_log(offset, length, NULL);
    if (REAL(pread)(file->fd, log->before, length, offset) < 0) abort();
    ssize_t written = REAL(pwrite)(fd, data, length, offset);
    revive(file, log);
    log->older = file->newest;
    file->newest = log;
    if (cut) power_cut();
    return is_crash() ? -1 : written;
}

static int tracked_sync(int fd, const char *path, int (*sync)(int))
{
    struct stat status;
    fstat(fd, &status);
    int cut = is_last_step();
    if (cut && below(2)) power_cut();
    if (!cut && is_crash()) return -1;
    if (++shim.syncs == shim.eio_sync) {
        if (cut) power_cut();
        if (!S_ISDIR(status.st_mode)) make_stale(track(fd));
        errno = EIO;
        return -1;
    }
    if (!shim.sync_is_stub) {
        if (shim.kill_step < 0 && sync(fd)) return -1; /* with a cut to come the shim is the disk: no need to wait for the real one */
        if (S_ISDIR(status.st_mode)) keep_names_in(path);
        else forget(track(fd));
    }
    if (cut) power_cut();
    return 0;
}

void shim_arm(const char *directory, uint64_t seed, long kill_step, int sync_is_stub)
{
    snprintf(shim.directory, sizeof shim.directory, "%s", directory);
    shim.random = seed;
    shim.kill_step = kill_step;
    shim.sync_is_stub = sync_is_stub;
    shim.armed = 1;
}

void shim_crash(long step) { shim.crash_step = step; }
void shim_fail_sync(long nth) { shim.eio_sync = shim.syncs + nth; }
void shim_set_space(long bytes) { shim.space_bytes = bytes; }
void shim_set_short_writes(int on) { shim.short_writes = on; }
long shim_steps(void) { return shim.step; }

#define LOCKED(result, call) do { pthread_mutex_lock(&mutex); result = call; pthread_mutex_unlock(&mutex); } while (0)

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    char path[512];
    ssize_t written;
    if (!shim.armed || !path_of(fd, path, sizeof path)) return REAL(pwrite64)(fd, data, length, offset);
    LOCKED(written, tracked_write(fd, data, length, offset));
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length)
{
    char path[512];
    ssize_t written;
    if (!shim.armed || !path_of(fd, path, sizeof path)) return REAL(write)(fd, data, length);
    off_t offset = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    LOCKED(written, tracked_write(fd, data, length, offset));
    if (written > 0) lseek(fd, offset + written, SEEK_SET);
    return written;
}

static int sync_file(int fd, int (*sync)(int))
{
    char path[512];
    int result;
    if (!shim.armed || !path_of(fd, path, sizeof path)) return sync(fd);
    LOCKED(result, tracked_sync(fd, path, sync));
    return result;
}

int fsync(int fd) { return sync_file(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_file(fd, REAL(fdatasync)); }

int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    struct stat status;
    char path[512];
    if (shim.armed && shim.space_bytes >= 0 && path_of(fd, path, sizeof path) && !fstat(fd, &status)) {
        off_t growth = offset + length - status.st_size;
        if (growth > shim.space_bytes) return ENOSPC;
        if (growth > 0) shim.space_bytes -= growth;
    }
    return REAL(posix_fallocate64)(fd, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

int posix_fadvise64(int fd, off64_t offset, off64_t length, int advice)
{
    char path[512];
    if (shim.armed && advice == POSIX_FADV_DONTNEED && path_of(fd, path, sizeof path)) {
        pthread_mutex_lock(&mutex);
        drop_stale(track(fd));
        pthread_mutex_unlock(&mutex);
    }
    return REAL(posix_fadvise64)(fd, offset, length, advice);
}

int posix_fadvise(int fd, off_t offset, off_t length, int advice) { return posix_fadvise64(fd, offset, length, advice); }

int rename(const char *from, const char *to)
{
    if (!shim.armed || !is_ours(to)) return REAL(rename)(from, to);
    pthread_mutex_lock(&mutex);
    int cut = is_last_step();
    char replaced[544];
    keep_replaced(to, replaced, sizeof replaced);
    int result = REAL(rename)(from, to);
    if (result == 0) {
        log_name(from, to, 0);
        strcpy(names[name_count - 1].replaced, replaced);
    }
    if (cut) power_cut();
    if (is_crash()) result = -1;
    pthread_mutex_unlock(&mutex);
    return result;
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (!shim.armed || !(flags & O_CREAT) || !is_ours(path)) return REAL(open64)(path, flags, mode);
    if (!access(path, F_OK)) {
        int fd = REAL(open64)(path, flags, mode);
        if (fd >= 0 && flags & O_TRUNC) {
            pthread_mutex_lock(&mutex);
            discard(track(fd));
            pthread_mutex_unlock(&mutex);
        }
        return fd;
    }
    pthread_mutex_lock(&mutex);
    int cut = is_last_step();
    int fd = REAL(open64)(path, flags, mode);
    if (fd >= 0) log_name("", path, 1);
    if (cut) power_cut();
    pthread_mutex_unlock(&mutex);
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open64(path, flags, mode);
}
