import Contracts
import Exchanges

/// A process over several aggregates and services (SPEC 17): which steps are done, which are undone, what it waits
/// for. State is the fold of its events, nothing else; whoever carries it out reads here what to do next.
public struct Saga: Aggregate, Equatable {
    public static let type = "Saga"
    /// Resolved tasks that are kept for show.
    static let mostResolved = 20

    public enum Progress: String, Sendable, CaseIterable {
        case pending = "PENDING"
        /// A call has been made, and what came of it is not known here.
        case begun = "STARTED"
        case done = "COMPLETED"
        case failed = "FAILED"
        /// Somebody else does it later.
        case deferred = "DEFERRED"
    }

    public enum Undoing: String, Sendable, CaseIterable {
        /// Nothing to undo.
        case none = "NONE"
        case due = "DUE"
        case begun = "STARTED"
        case done = "COMPLETED"
    }

    /// What a step waits for.
    public struct Park: Sendable, Equatable {
        public var reason: String
        /// Nil = for something from outside.
        public var nextTryAt: Timestamp?
        public var until: Timestamp?
    }

    public struct Step: Sendable, Equatable {
        public let definition: StepDefinition
        public let group: Int
        public internal(set) var progress = Progress.pending
        /// Calls of the operation, as far as is known.
        public internal(set) var attempts = 0
        public internal(set) var undoing = Undoing.none
        public internal(set) var undoAttempts = 0
        public internal(set) var failure: Failure?
        /// Why it counts as done, where a person says so.
        public internal(set) var note: String?
        public internal(set) var park: Park?
        /// Of the first time it was parked: later ones do not wait longer.
        public internal(set) var parkDeadline: Timestamp?

        public var name: String { definition.name }
    }

    /// Something that only people can do or find out.
    public struct Task: Sendable, Equatable {
        public var step: String
        public var part: SagaPart
        public var text: String
        public var raisedAt: Timestamp
        public internal(set) var resolvedAt: Timestamp?
        public internal(set) var decision: SagaDecision?
        public internal(set) var note: String?

        public var isOpen: Bool { resolvedAt == nil }
    }

    public internal(set) var definition = SagaDefinition(name: "", groups: [])
    /// Nil for a saga that never was.
    public internal(set) var order: Identifier?
    /// The saga that has to be over before this one's first step.
    public internal(set) var after: Identifier?
    /// Of all groups, in their order.
    public internal(set) var steps: [Step] = []
    public internal(set) var tasks: [Task] = []
    /// On the way back: what was done is undone.
    public internal(set) var isGoingBack = false
    /// The saga that stopped this one, and sees to the order from then on.
    public internal(set) var stoppedBy: Identifier?
    /// Why it goes back.
    public internal(set) var cause: Failure?
    /// Nothing is left to do but people's tasks, and the order knows.
    public internal(set) var isHandedOver = false
    /// Nil while it is not over.
    public internal(set) var ending: SagaStatus?
    /// Steps to undo or undone, in the order in which they were done.
    var undoOrder: [Int] = []
    public internal(set) var startedAt = Timestamp(microseconds: 0)
    /// Of the last event.
    public internal(set) var updatedAt = Timestamp(microseconds: 0)
    public internal(set) var version: UInt64 = 0

    public init() {}

    var cost: Int { 1024 + 512 * steps.count + tasks.reduce(0) { $0 + 256 + $1.text.utf8.count } }

    // MARK: - What is to be done

    public var isOver: Bool { ending != nil }
    public var openTasks: [Task] { tasks.filter(\.isOpen) }
    public var parkedSteps: [Step] { steps.filter { $0.park != nil } }

    public var status: SagaStatus {
        if let ending { return ending }
        return steps.contains { $0.park != nil } || tasks.contains(where: \.isOpen) ? .parked : .inProgress
    }

    public func step(_ name: String) -> Step? { steps.first { $0.definition.name == name } }

    /// The group whose turn it is; nil when all are through.
    public var currentGroup: Int? { steps.first { !isSettled($0) }?.group }

    /// Steps of the current group that are not through, and that nobody is asked about.
    public var due: [Step] {
        guard let group = currentGroup else { return [] }
        return steps.filter { $0.group == group && !isSettled($0) && !isAsked($0.name, .action) }
    }

    /// On the way back: calls of which nobody knows what came of them, and nobody is asked yet.
    public var unresolved: [Step] { steps.filter { $0.progress == .begun && !isAsked($0.name, .action) } }

    /// What to undo next: the last that was done. What people are asked about holds up nothing else.
    public var nextToUndo: Step? {
        undoOrder.last { (steps[$0].undoing == .due || steps[$0].undoing == .begun) && !isAsked(steps[$0].name, .compensation) }
            .map { steps[$0] }
    }

    private func isSettled(_ step: Step) -> Bool {
        switch step.progress {
        case .pending, .begun: false
        case .done, .failed, .deferred: true
        }
    }

    func isAsked(_ step: String, _ part: SagaPart) -> Bool {
        tasks.contains { $0.isOpen && $0.step == step && $0.part == part }
    }

    // MARK: - Fold

    public mutating func apply(_ event: SagaEvent, at instant: Timestamp) {
        version += 1
        updatedAt = instant
        switch event {
        case .started(let definition, let order, let after):
            self.definition = definition
            self.order = order
            self.after = after
            startedAt = instant
            steps = definition.groups.enumerated().flatMap { group, steps in
                steps.map { Step(definition: $0, group: group) }
            }
        case .stepStarted(let name, .action, let attempt):
            change(name) {
                $0.progress = .begun
                $0.attempts = max($0.attempts, attempt)
            }
        case .stepStarted(let name, .compensation, let attempt):
            change(name) {
                $0.undoing = .begun
                $0.undoAttempts = max($0.undoAttempts, attempt)
            }
        case .stepUnavailable(let name, let attempt, let failure):
            change(name) {
                $0.progress = .pending
                $0.attempts = max($0.attempts, attempt)
                $0.failure = failure
            }
        case .stepCompleted(let name, let attempt, _, let note):
            // What is done late is undone like the rest, even when everything else has been.
            if ending == .compensated { ending = nil }
            settle(name, .done, attempt, nil, note)
            mustBeUndone(name)
        case .stepFailed(let name, let attempt, let failure, let mayHaveRun):
            settle(name, .failed, attempt, failure, nil)
            if mayHaveRun { mustBeUndone(name) }
            if step(name)?.definition.onFailure == .compensate { goBack(failure) }
        case .stepDeferred(let name, _, _, let attempt, let failure):
            settle(name, .deferred, attempt, failure, nil)
        case .stepCompensated(let name, let attempt, let note):
            change(name) {
                $0.undoing = .done
                $0.undoAttempts = max($0.undoAttempts, attempt)
                $0.note = note ?? $0.note
            }
        case .compensationFailed(let name, let attempt, let failure):
            change(name) {
                $0.undoing = .due
                $0.undoAttempts = max($0.undoAttempts, attempt)
                $0.failure = failure
            }
        case .taskRaised(let name, let part, let text):
            change(name) { $0.park = nil }
            tasks.append(Task(step: name, part: part, text: text, raisedAt: instant))
        case .taskResolved(let name, let part, let decision, let note):
            resolve(name, part, decision, note, instant)
        case .parked(let name, let reason, let nextTryAt, let until):
            guard let name else {
                isHandedOver = true
                return
            }
            change(name) {
                $0.progress = .pending
                $0.park = Park(reason: reason, nextTryAt: nextTryAt, until: until)
                $0.parkDeadline = $0.parkDeadline ?? until
            }
        case .resumed(let name):
            change(name) { $0.park = nil }
        case .stopped(let by, let reason):
            stoppedBy = by
            goBack(Failure(reason: reason))
        case .completed: ending = .completed
        case .compensated: ending = .compensated
        }
    }

    /// Events of another definition's steps change nothing.
    private mutating func change(_ name: String, _ change: (inout Step) -> Void) {
        guard let i = steps.firstIndex(where: { $0.definition.name == name }) else { return }
        change(&steps[i])
    }

    private mutating func settle(_ name: String, _ progress: Progress, _ attempt: Int, _ failure: Failure?, _ note: String?) {
        change(name) {
            $0.progress = progress
            $0.attempts = max($0.attempts, attempt)
            $0.failure = failure
            $0.note = note
            $0.park = nil
        }
    }

    private mutating func mustBeUndone(_ name: String) {
        guard let i = steps.firstIndex(where: { $0.definition.name == name }), steps[i].definition.compensation != nil else { return }
        undoOrder.removeAll { $0 == i }
        undoOrder.append(i)
        steps[i].undoing = .due
    }

    private mutating func goBack(_ failure: Failure) {
        isGoingBack = true
        cause = cause ?? failure
        for i in steps.indices { steps[i].park = nil }
    }

    private mutating func resolve(
        _ name: String, _ part: SagaPart, _ decision: SagaDecision, _ note: String?, _ instant: Timestamp
    ) {
        guard let i = tasks.firstIndex(where: { $0.isOpen && $0.step == name && $0.part == part }) else { return }
        tasks[i].resolvedAt = instant
        tasks[i].decision = decision
        tasks[i].note = note
        if decision == .retry {
            change(name) {
                if part == .action { $0.progress = .pending } else { $0.undoing = .due }
            }
        }
        if tasks.count(where: { !$0.isOpen }) > Saga.mostResolved, let oldest = tasks.firstIndex(where: { !$0.isOpen }) {
            tasks.remove(at: oldest)
        }
    }
}
