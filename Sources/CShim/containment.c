// A call into a library that ends the process when it meets what it did not expect (`assert`): the call is given up instead.
#define _GNU_SOURCE 1
#include "cshim.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static _Thread_local sigjmp_buf *way_out;  // of the contained call that this thread is in
static struct sigaction former;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// `abort` holds nothing while it raises its signal, and a handler may leave it by a jump (C11 7.22.4.1, glibc's manual).
static void aborted(int number, siginfo_t *info, void *context) {
    if (way_out) siglongjmp(*way_out, 1);
    if (former.sa_flags & SA_SIGINFO) {
        if (former.sa_sigaction) former.sa_sigaction(number, info, context);
    } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
        former.sa_handler(number);
    }
    // Without a handler, or when it returns, `abort` goes on and ends the process.
}

static void install(void) {
    struct sigaction action = {.sa_sigaction = aborted, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGABRT, &action, &former);
}

int nx_contained(int (*call)(nx_object *, int), nx_object *object, int argument, int *result) {
    sigjmp_buf place;
    pthread_once(&once, install);
    if (sigsetjmp(place, 1) != 0) {
        way_out = NULL;
        return 0;
    }
    way_out = &place;
    *result = call(object, argument);
    way_out = NULL;
    return 1;
}
