public import EventCore
import Exchanges
public import Routes
import Settings
import Synchronization
public import Telemetry

/// The weights of all flags, for as long as the process lives: one word a flag, which workers read on the way and whoever
/// changes a weight writes, so that a change is in force on all of them with their next request.
///
/// The file's weight comes with each generation, an override from the log; an override stands before the file.
public final class FlagBoard: Sendable {
    /// Names that a process may meet, over all its reloads. Flags past them are off.
    public static let most = 4_096

    /// What stands for one flag.
    public struct Standing: Sendable, Equatable {
        public var name: String
        /// As the newest generation says it; 0 for a flag that it does not know.
        public var file: FlagDefinition
        /// Nil = the file decides.
        public var override: Flag.Override?

        /// In force, in 1/10,000.
        public var weight: UInt16 { override?.weight ?? file.weight }
    }

    private struct Entry {
        var standing: Standing
        /// Of the flag's aggregate when `override` was so.
        var version: UInt64 = 0
        /// The newest generation has it.
        var isKnown = true
    }

    private struct State {
        var entries: [Entry] = []
        var places: [String: Int] = [:]
    }

    /// By place; the last is nobody's, and 0.
    private let weights = InlineArray<4097, Atomic<UInt16>> { _ in Atomic(0) }
    private let state = Mutex(State())

    public init() {}

    /// The weight in force, in 1/10,000.
    /// - Parameter place: from `place(of:)`.
    @inline(__always) func weight(at place: UInt16) -> UInt16 { weights[Int(place)].load(ordering: .relaxed) }

    /// Where a flag's weight stands, for good; for load time, not requests.
    func place(of flag: String) -> UInt16 { state.withLock { UInt16($0.places[flag] ?? FlagBoard.most) } }

    /// What a new generation says. - Returns: false when there was no place for all of them.
    @discardableResult
    public func adopt(_ flags: [FlagDefinition]) -> Bool {
        state.withLock { state in
            for i in state.entries.indices { state.entries[i].isKnown = false }
            var fits = true
            for flag in flags {
                if let place = state.places[flag.name] {
                    state.entries[place].standing.file = flag
                    state.entries[place].isKnown = true
                } else if state.entries.count < FlagBoard.most {
                    state.places[flag.name] = state.entries.count
                    state.entries.append(Entry(standing: Standing(name: flag.name, file: flag)))
                } else {
                    fits = false
                }
            }
            for (place, entry) in state.entries.enumerated() { put(entry.standing.weight, at: place) }
            return fits
        }
    }

    /// What the log says of a flag. An older word than the last is not heard.
    public func apply(_ flag: Flag, to name: String) {
        state.withLock { state in
            guard let place = state.places[name], flag.version >= state.entries[place].version else { return }
            state.entries[place].version = flag.version
            state.entries[place].standing.override = flag.override
            put(state.entries[place].standing.weight, at: place)
        }
    }

    /// Of the flags that the newest generation knows, by name.
    public var standings: [Standing] {
        state.withLock { $0.entries.filter(\.isKnown).map(\.standing) }.sorted { $0.name < $1.name }
    }

    /// Nil when the newest generation does not know it.
    public func standing(of name: String) -> Standing? {
        state.withLock { state in
            state.places[name].flatMap { state.entries[$0].isKnown ? state.entries[$0].standing : nil }
        }
    }

    /// For metrics.
    public func families() -> [Family] {
        let samples = standings.map { standing in
            Sample(
                .real(Double(standing.weight) / 10_000),
                labels: [("flag", standing.name), ("by", standing.override == nil ? "file" : "override")])
        }
        return samples.isEmpty
            ? [] : [Family("nexus_flag_weight", .gauge, "Share of the users for whom a flag is on, 0 to 1.", samples: samples)]
    }

    private func put(_ weight: UInt16, at place: Int) { weights[place].store(weight, ordering: .relaxed) }
}
