// What the Swift importer cannot see, or cannot call: flag macros with casts, variadic calls,
// and the epoll structures that glibc's module leaves out. No logic lives here.
#ifndef NEXUS_CSHIM_H
#define NEXUS_CSHIM_H

#include <semaphore.h>
#include <stdint.h>
#include <sys/socket.h>

// epoll: events as plain integers. `nx_poller_wait` fills `ready` and returns their number.
typedef struct {
    uint64_t token;
    uint32_t events;
} nx_ready;

#define NX_IN 0x001u
#define NX_OUT 0x004u
#define NX_ERROR 0x008u
#define NX_HANGUP 0x010u
#define NX_PEER_CLOSED 0x2000u

int nx_poller_create(void);
int nx_poller_add(int poller, int fd, uint64_t token);  // both directions, edge-triggered; 0 or errno
int nx_poller_wait(int poller, nx_ready *ready, int capacity, int timeout_ms);  // at most 512

int nx_accept(int fd, struct sockaddr_storage *peer, socklen_t *length);
int nx_socket(int family);  // stream, non-blocking, close-on-exec

int nx_eventfd(void);
void nx_eventfd_signal(int fd);
void nx_eventfd_clear(int fd);

// Calls a library that may `abort`. 0 = it has: its object must not be touched again, and whatever it held is lost with it.
// No frame of Swift may stand between the two.
typedef struct nx_object nx_object;
int nx_contained(int (*call)(nx_object *, int), nx_object *object, int argument, int *result);

// Seconds-and-nanoseconds folded to one integer; monotonic, never steps.
uint64_t nx_monotonic_ns(void);
int64_t nx_realtime_ns(void);

int nx_pin_to_cpu(int cpu);           // the calling thread; 0 or errno
void nx_sem_wait_ms(sem_t *semaphore, uint64_t milliseconds);  // until it is posted or the time is over (monotonic)
void nx_name_thread(const char *name);  // at most 15 characters
int nx_raise_file_limit(uint64_t *now);       // soft limit to hard limit; 0 or errno
int nx_notify(const char *path, const char *state);  // sd_notify datagram; 0 or errno

#endif
