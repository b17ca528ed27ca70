import EventCore
import Stores
import Testing

@Suite(.serialized) struct FaultTests {
    /// However many syncs or writes fail in a row: an append that succeeds is there, one that fails for
    /// certain is not, one that is undecided is all there or not at all, and afterwards it goes on.
    @Test(arguments: 1...40, [false, true])
    func survivesAFailingDisk(_ calls: Int, _ alsoWrites: Bool) throws {
        #expect(FaultyDisk.installed)
        let shop = try Workshop(named: "faulty")
        let store = try shop.open()
        var events = Events()
        let cart = try key("u")
        _ = try store.append([events.batch(cart, .none, count: 3)])
        #expect(try store.head() == 3)

        let batch = events.batch(cart, .exact(3), count: 4)
        var result: Result<Appended, StoreError> = .failure(.closed)
        FaultyDisk.fail(calls, alsoWrites: alsoWrites)
        do throws(StoreError) { result = .success(try store.append([batch])) } catch { result = .failure(error) }
        FaultyDisk.fail(0)

        let head = try store.head()
        switch result {
        case .success(let appended): #expect(head == 7 && appended == Appended(head: 7, versions: [7]))
        case .failure(.io(_, undecided: false)): #expect(head == 3)
        case .failure(.io(_, undecided: true)): #expect(head == 3 || head == 7)
        case .failure(let error): Issue.record("\(error)")
        }
        #expect(try store.append([events.batch(cart, .exact(head), count: 2)]).head == head + 2)
        store.close()
        let again = try shop.open()
        #expect(try again.read(cart, from: 1, through: .max, limit: 99).map(\.version) == Array(1...head + 2))
    }

    /// A commit whose sync failed may still be found on disk afterwards; then it was a commit.
    @Test func theseFailuresHaveEveryOutcome() throws {
        #expect(FaultyDisk.installed)
        var outcomes = Set<String>()
        for calls in 1...40 {
            let shop = try Workshop(named: "faulty")
            let store = try shop.open()
            var events = Events()
            _ = try store.append([events.batch(try key("u"))])
            let batch = events.batch(try key("u"))
            FaultyDisk.fail(calls)
            do throws(StoreError) {
                _ = try store.append([batch])
                outcomes.insert("landed")
            } catch .io(_, let undecided) {
                outcomes.insert(undecided ? "undecided" : "absent")
            } catch {
                outcomes.insert("\(error)")
            }
            FaultyDisk.fail(0)
        }
        #expect(outcomes.isSuperset(of: ["landed", "absent", "undecided"]), "\(outcomes)")
    }
}
