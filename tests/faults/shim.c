/* Faults for the files of a journal, below the C library: preloaded into a server (LD_PRELOAD).
 *
 * The file that ACD_SHIM names holds "OPERATION ERRNO SKIP COUNT FILE": after SKIP operations of that kind on a file whose
 * path contains FILE, COUNT of them fail with that errno, or, where it is 0, do half of what they are asked.
 * Each time that this happens a byte is appended to ACD_SHIM.done. An empty file means no faults.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static struct timespec seen;
static char wanted[32], file_wanted[64];
static int error_number;
static long skip, count;

static void read_orders(const char *path)
{
    struct stat now;
    if (stat(path, &now) || (now.st_mtim.tv_sec == seen.tv_sec && now.st_mtim.tv_nsec == seen.tv_nsec))
        return;
    seen = now.st_mtim;
    wanted[0] = 0;
    count = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fscanf(file, "%31s %d %ld %ld %63s", wanted, &error_number, &skip, &count, file_wanted) != 5)
        wanted[0] = 0;
    fclose(file);
}

/* Whether this operation is to go wrong. */
static int goes_wrong(const char *operation, int fd)
{
    char link[64], path[512];
    const char *orders = getenv("ACD_SHIM");
    if (!orders)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (path[0] != '/' || !strcmp(path, orders) || strstr(path, ".done"))
        return 0;
    read_orders(orders);
    if (strcmp(wanted, operation) || count <= 0 || !strstr(path, file_wanted))
        return 0;
    if (skip-- > 0)
        return 0;
    count--;
    snprintf(path, sizeof path, "%s.done", orders);
    int done = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (done >= 0) {
        if (write(done, "x", 1) < 0)
            abort();
        close(done);
    }
    return 1;
}

#define REAL(name, type) \
    static type real; \
    if (!real) \
        real = (type)dlsym(RTLD_NEXT, #name)

typedef ssize_t (*pwrite_type)(int, const void *, size_t, off_t);
typedef ssize_t (*write_type)(int, const void *, size_t);
typedef int (*sync_type)(int);

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL(pwrite, pwrite_type);
    if (goes_wrong("pwrite", fd)) {
        if (error_number) {
            errno = error_number;
            return -1;
        }
        size = size > 1 ? size / 2 : size;
    }
    return real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    REAL(pwrite64, pwrite_type);
    if (goes_wrong("pwrite", fd)) {
        if (error_number) {
            errno = error_number;
            return -1;
        }
        size = size > 1 ? size / 2 : size;
    }
    return real(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write, write_type);
    if (goes_wrong("write", fd)) {
        errno = error_number;
        return -1;
    }
    return real(fd, data, size);
}

int fdatasync(int fd)
{
    REAL(fdatasync, sync_type);
    if (goes_wrong("sync", fd)) {
        errno = error_number;
        return -1;
    }
    return real(fd);
}

int fsync(int fd)
{
    REAL(fsync, sync_type);
    if (goes_wrong("sync", fd)) {
        errno = error_number;
        return -1;
    }
    return real(fd);
}
