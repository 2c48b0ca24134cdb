/* A disk whose syncs take SLOW_MS longer: preloaded, every call that waits for the disk waits so long more. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void linger(void)
{
	struct timespec left = { SLOW_MS / 1000, SLOW_MS % 1000 * 1000000L };
	while (nanosleep(&left, &left)) {}
}

int fsync(int fd) { linger(); return (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { linger(); return (int)syscall(SYS_fdatasync, fd); }
int syncfs(int fd) { linger(); return (int)syscall(SYS_syncfs, fd); }
void sync(void) { linger(); syscall(SYS_sync); }
int sync_file_range(int fd, off64_t from, off64_t octets, unsigned flags)
{
	linger();
	return (int)syscall(SYS_sync_file_range, fd, from, octets, flags);
}
