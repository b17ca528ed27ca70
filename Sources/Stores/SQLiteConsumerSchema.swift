import EventCore

/// The tables of consumers, and how an older file becomes a present one.
enum SQLiteConsumerSchema {
    /// "NXCO": tells our files from other databases (`file` shows it).
    static let applicationId: Int64 = 0x4E58_434F

    /// Step n takes a file of version n to n + 1. Steps are only ever added.
    private static let steps: [String] = [
        """
        CREATE TABLE consumers (
          consumer INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          position INTEGER NOT NULL CHECK (position >= 0)
        ) STRICT;

        CREATE TABLE rows (
          consumer INTEGER NOT NULL REFERENCES consumers,
          key TEXT NOT NULL,
          value BLOB NOT NULL,
          PRIMARY KEY (consumer, key)
        ) STRICT, WITHOUT ROWID;
        """
    ]

    /// Makes or migrates the tables; refuses files that are not ours or from a later version.
    static func prepare(_ connection: SQLiteConnection) throws(StoreError) {
        try connection.migrate(applicationId: applicationId, steps, what: "a store of consumers")
    }
}
