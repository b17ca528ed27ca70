// SQLite, and the one of its functions Swift cannot call because it is variadic.
#ifndef NEXUS_CSQLITE_H
#define NEXUS_CSQLITE_H

#include <sqlite3.h>

// Switches a boolean SQLITE_DBCONFIG_… option.
static inline int nx_sqlite_configure(sqlite3 *db, int option, int value) {
    return sqlite3_db_config(db, option, value, (int *)0);
}

#endif
