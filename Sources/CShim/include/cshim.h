// What the Swift importer cannot see, or cannot call: flag macros with casts, variadic calls,
// and the epoll structures that glibc's module leaves out. No logic lives here.
#ifndef NEXUS_CSHIM_H
#define NEXUS_CSHIM_H

#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// epoll_event is a packed structure with a union: hand its two members over as plain integers.
typedef struct {
    uint32_t events;
    uint64_t token;
} nx_ready;

static inline int nx_epoll_add(int epfd, int fd, uint32_t events, uint64_t token) {
    struct epoll_event e = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e);
}

static inline int nx_epoll_modify(int epfd, int fd, uint32_t events, uint64_t token) {
    struct epoll_event e = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &e);
}

static inline int nx_epoll_remove(int epfd, int fd) {
    return epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
}

static inline uint32_t nx_event_mask(const struct epoll_event *e) { return e->events; }
static inline uint64_t nx_event_token(const struct epoll_event *e) { return e->data.u64; }

#define NX_EPOLL_EDGE ((uint32_t)EPOLLET)

static inline int nx_accept(int fd, struct sockaddr_storage *peer, socklen_t *length) {
    return accept4(fd, (struct sockaddr *)peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline int nx_socket(int family, int type) {
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline int nx_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

static inline int nx_set_int_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value);
}

// Seconds-and-nanoseconds folded to one integer; monotonic, never steps.
static inline uint64_t nx_monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int64_t nx_realtime_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int nx_pin_to_cpu(int cpu);                   // the calling thread; 0 or errno
void nx_name_thread(const char *name);        // at most 15 characters
int nx_raise_file_limit(uint64_t *now);       // soft limit to hard limit; 0 or errno
int nx_notify(const char *path, const char *state);  // sd_notify datagram; 0 or errno

#endif
