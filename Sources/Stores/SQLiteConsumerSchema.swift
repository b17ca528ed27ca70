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
        let version = Int(try connection.integer("PRAGMA user_version"))
        let owner = try connection.integer("PRAGMA application_id")
        let isEmpty = try connection.integer("SELECT count(*) FROM sqlite_schema") == 0
        guard owner == applicationId || (owner == 0 && version == 0 && isEmpty) else {
            throw .unusable("this is not a store of consumers")
        }
        guard version <= steps.count else {
            throw .unusable("the store of consumers has format \(version); this program knows \(steps.count)")
        }
        for step in version..<steps.count {
            try connection.execute(
                """
                BEGIN IMMEDIATE;
                \(steps[step])
                PRAGMA application_id = \(applicationId);
                PRAGMA user_version = \(step + 1);
                COMMIT;
                """)
        }
    }
}
