import Synchronization

/// A counter with one writer: the worker it belongs to. Any thread may read it.
///
/// Because nobody else writes, adding is a plain load and a plain store: no locked instruction and
/// no contended cache line on the request path. A second writer would lose counts, never tear them.
typealias Cell = Atomic<UInt64>

extension Atomic where Value == UInt64 {
    @inline(__always) borrowing func bump(by n: UInt64 = 1) {
        store(load(ordering: .relaxed) &+ n, ordering: .relaxed)
    }

    @inline(__always) borrowing func read() -> UInt64 { load(ordering: .relaxed) }
}
