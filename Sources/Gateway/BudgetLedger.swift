import Policies
import Synchronization
import Telemetry

/// What all budgets are charged in, for the life of the process: a reload that keeps a budget's name finds what was
/// charged. Shared by the workers.
final class BudgetLedger: Sendable {
    /// Names of budgets with a number of their own, over all reloads.
    static let mostNames = 1023
    /// Clients that may hold something of budgets for what runs at once.
    private static let holders = 262_144

    let rates: LimitTable
    let concurrency = ConcurrencyTable(keys: holders)
    private let keys: Int

    private struct State {
        var names = ["_other"]
        var numbers: [String: UInt16] = [:]
        var windows: [String: WindowTable] = [:]
        var boards: [BudgetBoard] = []
        /// Of windows that were replaced by wider ones.
        var evictions: UInt64 = 0
    }
    private let state = Mutex(State())

    /// - Parameter keys: clients remembered over all rates, and for each window.
    init(keys: Int) {
        self.keys = keys
        rates = LimitTable(keys: keys)
    }

    /// The number of a budget's name. Past `mostNames` they share number 0, and with it what is charged.
    func number(of name: String) -> UInt16 {
        state.withLock { state in
            if let known = state.numbers[name] { return known }
            guard state.names.count <= Self.mostNames else { return 0 }
            let number = UInt16(state.names.count)
            state.names.append(name)
            state.numbers[name] = number
            return number
        }
    }

    /// The window of this name. One that has become too narrow begins anew.
    func window(named name: String, requests: Int) -> WindowTable {
        state.withLock { state in
            let known = state.windows[name]
            if let known, known.width >= requests { return known }
            state.evictions += known?.evictions ?? 0
            let made = WindowTable(keys: keys, requests: requests)
            state.windows[name] = made
            return made
        }
    }

    /// A worker's counters.
    func board() -> BudgetBoard {
        let board = BudgetBoard()
        state.withLock { $0.boards.append(board) }
        return board
    }

    /// The series of the budgets.
    func families() -> [Family] {
        let (names, boards, windows) = state.withLock {
            ($0.names, $0.boards, $0.windows.values.reduce($0.evictions) { $0 + $1.evictions })
        }
        var decisions: [Sample] = []
        for (number, name) in names.enumerated() {
            let allowed = boards.reduce(UInt64(0)) { $0 + $1.count(UInt16(number), isAllowed: true) }
            let refused = boards.reduce(UInt64(0)) { $0 + $1.count(UInt16(number), isAllowed: false) }
            // The shared number has a series only once somebody has needed it.
            if number == 0, allowed + refused == 0 { continue }
            decisions.append(Sample(.integer(allowed), labels: [("budget", name), ("decision", "allowed")]))
            decisions.append(Sample(.integer(refused), labels: [("budget", name), ("decision", "refused")]))
        }
        return [
            Family("nexus_budget_decisions", .counter, "Requests a budget was asked for.", samples: decisions),
            Family(
                "nexus_budget_evictions", .counter, "Clients forgotten although they still owed something, by kind of budget.",
                samples: [
                    Sample(.integer(rates.evictions), labels: [("kind", "rate")]),
                    Sample(.integer(windows), labels: [("kind", "window")]),
                    Sample(.integer(concurrency.overflows), labels: [("kind", "concurrent")]),
                ]),
        ]
    }
}

/// What one worker's budgets have said: written by the worker, read by the scraper.
final class BudgetBoard: Sendable {
    private let cells = InlineArray<2048, Atomic<UInt64>> { _ in Atomic<UInt64>(0) }

    /// - Parameter policy: at most `BudgetLedger.mostNames`.
    @inline(__always) func add(_ policy: UInt16, isAllowed: Bool) {
        let place = Int(policy) &* 2 &+ (isAllowed ? 0 : 1)
        // The only writer: no locked instruction.
        cells[place].store(cells[place].load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    func count(_ policy: UInt16, isAllowed: Bool) -> UInt64 {
        cells[Int(policy) * 2 + (isAllowed ? 0 : 1)].load(ordering: .relaxed)
    }
}
