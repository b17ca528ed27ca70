import EventCore

/// The tables of MQTT sessions, and how an older file becomes a present one.
///
/// Numbers of 64 bits are kept as the signed number with the same bits.
enum SQLiteSessionSchema {
    /// "NXMQ": tells our files from other databases (`file` shows it).
    static let applicationId: Int64 = 0x4E58_4D51

    /// Step n takes a file of version n to n + 1. Steps are only ever added.
    private static let steps: [String] = [
        """
        CREATE TABLE sessions (
          session INTEGER PRIMARY KEY,
          client BLOB NOT NULL,
          owner BLOB NOT NULL,
          incarnation INTEGER NOT NULL,
          expiry INTEGER NOT NULL, -- seconds
          left_ms INTEGER NOT NULL -- since 1970; 0 = it has a connection
        ) STRICT;

        CREATE TABLE wills (
          session INTEGER PRIMARY KEY,
          delay INTEGER NOT NULL, -- seconds
          topic BLOB NOT NULL,
          payload BLOB NOT NULL,
          qos INTEGER NOT NULL,
          retained INTEGER NOT NULL,
          properties BLOB NOT NULL, -- as MQTT 5 encodes them
          expires_ms INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE subscriptions (
          session INTEGER NOT NULL,
          filter TEXT NOT NULL,
          qos INTEGER NOT NULL,
          no_local INTEGER NOT NULL,
          retain_as_published INTEGER NOT NULL,
          retain_handling INTEGER NOT NULL,
          identifier INTEGER NOT NULL, -- 0 = none
          PRIMARY KEY (session, filter)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE messages (
          message INTEGER PRIMARY KEY,
          topic BLOB NOT NULL,
          payload BLOB NOT NULL,
          qos INTEGER NOT NULL,
          retained INTEGER NOT NULL,
          properties BLOB NOT NULL,
          expires_ms INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE queue (
          session INTEGER NOT NULL,
          sequence INTEGER NOT NULL,
          message INTEGER NOT NULL,
          qos INTEGER NOT NULL,
          retained INTEGER NOT NULL,
          identifiers BLOB NOT NULL, -- of subscriptions, four bytes each
          packet INTEGER NOT NULL DEFAULT 0, -- 0 = not sent
          received INTEGER NOT NULL DEFAULT 0, -- PUBREC has come
          PRIMARY KEY (session, sequence)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE retained (
          topic BLOB NOT NULL PRIMARY KEY,
          message INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE incoming (
          session INTEGER NOT NULL,
          packet INTEGER NOT NULL,
          PRIMARY KEY (session, packet)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE refused (
          number INTEGER PRIMARY KEY,
          topic BLOB NOT NULL,
          payload BLOB NOT NULL,
          client BLOB NOT NULL,
          subject BLOB NOT NULL,
          qos INTEGER NOT NULL,
          code TEXT NOT NULL,
          reason TEXT NOT NULL,
          at_ms INTEGER NOT NULL -- since 1970
        ) STRICT;
        """,
        // The shared subscription through which a message came; what it takes to send a refused one through the pipeline again,
        // and a will as somebody's after a restart.
        """
        ALTER TABLE queue ADD COLUMN share BLOB NOT NULL DEFAULT x''; -- its whole filter; empty = none, or it is the session's for good
        ALTER TABLE wills ADD COLUMN standing BLOB NOT NULL DEFAULT x''; -- what its owner may; empty = his name alone is known
        ALTER TABLE refused ADD COLUMN owner BLOB NOT NULL DEFAULT x''; -- as of sessions; empty = it is not known
        ALTER TABLE refused ADD COLUMN standing BLOB NOT NULL DEFAULT x'';
        ALTER TABLE refused ADD COLUMN properties BLOB NOT NULL DEFAULT x'';
        ALTER TABLE refused ADD COLUMN retained INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE refused ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT -1;
        ALTER TABLE refused ADD COLUMN mark INTEGER NOT NULL DEFAULT 0; -- 0 = none
        ALTER TABLE refused ADD COLUMN cut INTEGER NOT NULL DEFAULT 0; -- some of it was not kept
        -- What it had for properties was not kept before.
        UPDATE refused SET cut = 1;
        """,
    ]

    /// Makes or migrates the tables; refuses files that are not ours or from a later version.
    static func prepare(_ connection: SQLiteConnection) throws(StoreError) {
        try connection.migrate(applicationId: applicationId, steps, what: "a store of MQTT sessions")
    }
}
