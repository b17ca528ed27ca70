// c-ares, and nothing of its own. The C library is taken from the module everybody else takes it
// from, so that `sockaddr_storage` and its like keep one owner and stay visible where they were.
#pragma clang module import SwiftGlibc
#include <ares.h>
