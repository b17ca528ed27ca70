import EventCore
import Glibc
import Synchronization

/// Read connections, made when needed, a few kept. They can be called in, all of them, when the
/// database has to be closed.
final class ReaderPool: Sendable {
    private struct State {
        var idle: [SQLiteReader] = []
        var out = 0
        var calledIn = false
    }

    private let path: String
    private let state = Mutex(State())
    private static let mostIdle = 4
    private static let most = 64

    init(path: String) { self.path = path }

    func with<R>(_ body: (SQLiteReader) throws(StoreError) -> R) throws(StoreError) -> R {
        let reader = try checkOut()
        defer { giveBack(reader.value) }
        return try body(reader.value)
    }

    /// Waits until every reader is back, and closes them; further reads fail until `resume`.
    func callIn() throws(StoreError) {
        for _ in 0..<5000 {
            let closed: Bool = state.withLock { state in
                state.calledIn = true
                state.idle = []
                return state.out == 0
            }
            if closed { return }
            usleep(1000)
        }
        throw .io("a reader does not end", undecided: true)
    }

    var isCalledIn: Bool { state.withLock { $0.calledIn } }

    func resume() { state.withLock { $0.calledIn = false } }

    /// A reader on its way between the pool and the one thread that uses it meanwhile.
    private struct Handover: @unchecked Sendable {
        // Taken out of the pool under its lock, so exactly one thread has it.
        let value: SQLiteReader
    }

    private func checkOut() throws(StoreError) -> Handover {
        enum Turn: Sendable {
            case have(Handover)
            case make
            case wait(StoreError)
        }
        let turn: Turn = state.withLock { state in
            if state.calledIn { return .wait(.io("the store is being opened again", undecided: false)) }
            if state.out >= ReaderPool.most { return .wait(.locked("too many readers")) }
            state.out += 1
            if let reader = state.idle.popLast() { return .have(Handover(value: reader)) }
            return .make
        }
        switch turn {
        case .have(let reader): return reader
        case .wait(let error): throw error
        case .make:
            do throws(StoreError) {
                return Handover(value: try SQLiteReader(path: path))
            } catch {
                state.withLock { $0.out -= 1 }
                throw error
            }
        }
    }

    private func giveBack(_ reader: SQLiteReader) {
        let back = Handover(value: reader)
        state.withLock { state in
            state.out -= 1
            if !state.calledIn && state.idle.count < ReaderPool.mostIdle { state.idle.append(back.value) }
        }
    }
}
