/// What to do when a step fails for good (SPEC T-1).
public enum OnFailure: String, Sendable, CaseIterable {
    /// Undo what was done, the last first.
    case compensate
    /// Go on without it.
    case `continue`
    /// Go on, and try it again later, apart from the saga (SPEC B-2).
    case retryAsync = "retry-async"
    /// People see to it; the saga waits for them. For what can neither be undone nor left out.
    case task
}

/// One step, as the definition file says.
public struct StepDefinition: Sendable, Equatable {
    public var name: String
    /// Of a `StepOperation`.
    public var operation: String
    /// Of the operation that undoes it; nil = nothing to undo.
    public var compensation: String?
    /// For all attempts together.
    public var timeoutMS: UInt32
    public var onFailure: OnFailure
    /// Attempts in total within the timeout (SPEC 6), and the delay before the second; each further one waits twice
    /// as long.
    public var attempts: Int
    public var delayMS: UInt32
    /// How long the saga waits in PARKED for a service that is away, trying again meanwhile; 0 = that is a failure.
    public var parkMS: UInt64

    public init(
        name: String, operation: String, compensation: String? = nil, timeoutMS: UInt32 = 30_000,
        onFailure: OnFailure = .compensate, attempts: Int = 3, delayMS: UInt32 = 1000, parkMS: UInt64 = 0
    ) {
        self.name = name
        self.operation = operation
        self.compensation = compensation
        self.timeoutMS = timeoutMS
        self.onFailure = onFailure
        self.attempts = attempts
        self.delayMS = delayMS
        self.parkMS = parkMS
    }
}

/// A saga as data: its steps in order. Steps that stand in one group run at the same time.
public struct SagaDefinition: Sendable, Equatable {
    /// In all groups together.
    public static let mostSteps = 32

    public var name: String
    /// A saga's id is this, a dash, and the order's id: sagas of one prefix exclude each other for an order.
    public var prefix: String
    public var groups: [[StepDefinition]]
    /// What becomes of the order (`order.confirm` …) in the transaction that ends the saga; nil = nothing.
    public var completed: String?
    public var compensated: String?
    /// Prefix of the sagas that a saga of this kind stops, and waits for, before its first step.
    public var stops: String?

    public init(
        name: String, prefix: String? = nil, groups: [[StepDefinition]], completed: String? = nil,
        compensated: String? = nil, stops: String? = nil
    ) {
        self.name = name
        self.prefix = prefix ?? name
        self.groups = groups
        self.completed = completed
        self.compensated = compensated
        self.stops = stops
    }
}

/// How a saga stands (SPEC T-4).
public enum SagaStatus: String, Sendable, CaseIterable {
    case inProgress = "IN_PROGRESS"
    case completed = "COMPLETED"
    case compensated = "COMPENSATED"
    case parked = "PARKED"
}

/// What of a step: its operation, or the one that undoes it.
public enum SagaPart: String, Sendable, CaseIterable {
    case action, compensation
}

/// How a task for people ended.
public enum SagaDecision: String, Sendable, CaseIterable {
    /// Do it again: it has not happened, or does no harm twice.
    case retry
    /// It counts as done: it has happened, or somebody did it by hand.
    case skip
    /// It counts as not done; what was done before is undone.
    case compensate
    /// The service's answer came after all.
    case answered
}
