/// What to do when a step fails for good (SPEC T-1).
public enum OnFailure: String, Sendable, CaseIterable {
    /// Undo what was done, the last first.
    case compensate
    /// Go on without it.
    case `continue`
    /// Go on, and try it again later, apart from the saga (SPEC B-2).
    case retryAsync = "retry-async"
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
    public var name: String
    public var groups: [[StepDefinition]]

    public init(name: String, groups: [[StepDefinition]]) {
        self.name = name
        self.groups = groups
    }
}
