import EventCore

/// The tables, and how an older file becomes a present one.
///
/// Events are append-only by triggers, against any connection. `INSERT OR REPLACE` deletes without
/// asking the delete triggers, so the insert trigger refuses whatever would replace a row: an event
/// takes the next position, its stream's next version, and a new id, or is not taken.
///
/// Ids of aggregates and names of types are kept once, in `streams` and `names`: an event and its
/// index entries carry small integers.
enum SQLiteSchema {
    /// "NXEV": tells our files from other databases (`file` shows it).
    static let applicationId: Int64 = 0x4E58_4556

    /// Step n takes a file of version n to n + 1. Steps are only ever added.
    private static let steps: [String] = [
        """
        CREATE TABLE names (
          name INTEGER PRIMARY KEY,
          text TEXT NOT NULL UNIQUE
        ) STRICT;

        CREATE TABLE streams (
          stream INTEGER PRIMARY KEY,
          type INTEGER NOT NULL REFERENCES names,
          id TEXT NOT NULL,
          UNIQUE (id, type)
        ) STRICT;

        CREATE TABLE events (
          position INTEGER PRIMARY KEY,
          stream INTEGER NOT NULL REFERENCES streams,
          version INTEGER NOT NULL CHECK (version >= 1),
          event_id BLOB NOT NULL CHECK (length(event_id) = 16),
          type INTEGER NOT NULL REFERENCES names,
          timestamp INTEGER NOT NULL, -- microseconds since 1970, UTC
          schema_version INTEGER NOT NULL,
          source INTEGER NOT NULL REFERENCES names,
          payload TEXT NOT NULL,
          correlation_id TEXT,
          causation_id TEXT,
          user_id TEXT,
          traceparent TEXT
        ) STRICT;

        CREATE UNIQUE INDEX events_by_version ON events (stream, version);
        CREATE UNIQUE INDEX events_by_id ON events (event_id);
        CREATE INDEX events_by_time ON events (type, timestamp);

        CREATE TRIGGER events_insert BEFORE INSERT ON events
        WHEN new.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM events)
          OR new.version IS NOT (SELECT coalesce(max(version), 0) + 1 FROM events WHERE stream = new.stream)
          OR EXISTS (SELECT 1 FROM events WHERE event_id = new.event_id)
        BEGIN SELECT raise(ABORT, 'not the next event, or events.event_id is not new'); END;
        CREATE TRIGGER events_update BEFORE UPDATE ON events
        BEGIN SELECT raise(ABORT, 'events are append-only'); END;
        CREATE TRIGGER events_delete BEFORE DELETE ON events
        BEGIN SELECT raise(ABORT, 'events are append-only'); END;

        CREATE TRIGGER streams_insert BEFORE INSERT ON streams
        WHEN EXISTS (SELECT 1 FROM streams WHERE stream = new.stream OR (id = new.id AND type = new.type))
        BEGIN SELECT raise(ABORT, 'streams are append-only'); END;
        CREATE TRIGGER streams_update BEFORE UPDATE ON streams
        BEGIN SELECT raise(ABORT, 'streams are append-only'); END;
        CREATE TRIGGER streams_delete BEFORE DELETE ON streams
        BEGIN SELECT raise(ABORT, 'streams are append-only'); END;

        CREATE TRIGGER names_insert BEFORE INSERT ON names
        WHEN EXISTS (SELECT 1 FROM names WHERE name = new.name OR text = new.text)
        BEGIN SELECT raise(ABORT, 'names are append-only'); END;
        CREATE TRIGGER names_update BEFORE UPDATE ON names
        BEGIN SELECT raise(ABORT, 'names are append-only'); END;
        CREATE TRIGGER names_delete BEFORE DELETE ON names
        BEGIN SELECT raise(ABORT, 'names are append-only'); END;

        -- For people: the log as one reads it.
        CREATE VIEW log AS
        SELECT position, a.text AS aggregate_type, id AS aggregate_id, version,
          lower(hex(event_id)) AS event_id, t.text AS event_type,
          strftime('%Y-%m-%dT%H:%M:%S', timestamp / 1000000, 'unixepoch')
            || printf('.%06dZ', timestamp % 1000000) AS timestamp,
          payload, schema_version, s.text AS source, correlation_id, causation_id, user_id, traceparent
        FROM events e JOIN streams USING (stream)
          JOIN names a ON a.name = streams.type JOIN names t ON t.name = e.type JOIN names s ON s.name = e.source;
        """,
        // What requests with an idempotency key came to. Rows come at the end and leave at the front; nothing looks for
        // them but by position, the index is in memory.
        """
        CREATE TABLE repetitions (
          position INTEGER PRIMARY KEY,
          identity BLOB NOT NULL CHECK (length(identity) = 16),
          fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 16),
          time INTEGER NOT NULL, -- microseconds since 1970, UTC
          kind INTEGER NOT NULL,
          outcome BLOB NOT NULL
        ) STRICT;
        """,
        // Messages that devices may send again. A session has one row a slot: with QoS 1 they go round, and a row is written
        // over; with QoS 2 (slots from 65536 on) it goes when the message is released. The index is in memory.
        """
        CREATE TABLE delivery_marks (
          session INTEGER NOT NULL,
          slot INTEGER NOT NULL,
          packet INTEGER NOT NULL,
          fingerprint INTEGER NOT NULL,
          sequence INTEGER NOT NULL,
          PRIMARY KEY (session, slot)
        ) STRICT, WITHOUT ROWID;

        -- Many records a row, instead of one (SQLiteRepetitions).
        CREATE TABLE repetition_groups (
          last INTEGER PRIMARY KEY, -- position of its last record
          first INTEGER NOT NULL,
          records BLOB NOT NULL
        ) STRICT;
        """,
    ]

    /// Makes or migrates the tables; refuses files that are not ours or from a later version.
    static func prepare(_ connection: SQLiteConnection) throws(StoreError) {
        try connection.migrate(applicationId: applicationId, steps, what: "an event store") { version throws(StoreError) in
            guard version == 3 else { return }
            try SQLiteRepetitions.takeOver(connection)
            try connection.execute("DROP TABLE repetitions")
        }
    }
}

extension SQLiteConnection {
    /// Takes a database to the present version of its tables; refuses files of others, and of a later version.
    /// - Parameters:
    ///   - steps: step n takes version n to n + 1.
    ///   - what: what the file is (`an event store`), for errors.
    ///   - move: what a step does after its statements, in the same transaction, to get to the version it is given.
    func migrate(
        applicationId: Int64, _ steps: [String], what: String, move: (Int) throws(StoreError) -> Void = { _ in }
    ) throws(StoreError) {
        let version = Int(try integer("PRAGMA user_version"))
        let owner = try integer("PRAGMA application_id")
        let isEmpty = try integer("SELECT count(*) FROM sqlite_schema") == 0
        guard owner == applicationId || (owner == 0 && version == 0 && isEmpty) else {
            throw .unusable("this is not \(what)")
        }
        guard version <= steps.count else {
            throw .unusable("this is \(what) of format \(version); this program knows \(steps.count)")
        }
        for step in version..<steps.count {
            try execute("BEGIN IMMEDIATE")
            do throws(StoreError) {
                try execute(steps[step])
                try move(step + 1)
                try execute("PRAGMA application_id = \(applicationId); PRAGMA user_version = \(step + 1); COMMIT")
            } catch {
                if inTransaction { try? execute("ROLLBACK") }
                throw error
            }
        }
    }
}
