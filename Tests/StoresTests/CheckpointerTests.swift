import CSQLite
import EventCore
import Testing

@testable import Stores

@Suite struct CheckpointerTests {
    /// The checkpointer's connection moves pages itself: a connection that has never read would report
    /// success, move nothing, and leave all of it to the writer, between two commits.
    @Test func itsConnectionMovesWhatIsInTheWAL() throws {
        let shop = try Workshop()
        let store = try shop.open()
        defer { store.close() }
        var events = Events()
        for _ in 0..<50 { _ = try store.append([events.batch(try key("a"))]) }
        let connection = try #require(Checkpointer.open(shop.path))
        var inWAL: Int32 = 0
        var moved: Int32 = 0
        let result = sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_PASSIVE, &inWAL, &moved)
        #expect(result == SQLITE_OK)
        #expect(inWAL > 0 && moved == inWAL)
    }
}
