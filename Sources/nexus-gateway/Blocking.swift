import EventCore
import Synchronization
import Threads

/// For threads that have nothing else to do: the main one, and the one that waits for the drain.
enum Blocking {
    /// Runs `work` and waits for it.
    static func run<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) -> Value {
        let bell = Bell()
        let result = Mutex<Value?>(nil)
        Task {
            let value = await work()
            result.withLock { $0 = value }
            bell.ring()
        }
        while true {
            bell.wait()
            if let value = result.withLock({ $0 }) { return value }
        }
    }

    static func run<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
        try run { () async -> Result<Value, any Error> in
            do { return .success(try await work()) } catch { return .failure(error) }
        }.get()
    }
}
