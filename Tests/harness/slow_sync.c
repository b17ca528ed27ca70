// A disk that takes its time: preloaded, it makes each fsync and fdatasync last NEXUS_SLOW_SYNC_MS longer.

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_a_while(void) {
    const char *text = getenv("NEXUS_SLOW_SYNC_MS");
    long milliseconds = text ? atol(text) : 0;
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

int fsync(int descriptor) {
    wait_a_while();
    return (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
    wait_a_while();
    return (int)syscall(SYS_fdatasync, descriptor);
}
