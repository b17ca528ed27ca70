public import EventCore

/// What an operation gets to know.
public struct StepContext: Sendable {
    public var saga: Identifier
    /// Its name in the definition, also when it is undone.
    public var step: String
    /// Is the step done, or undone?
    public var part: SagaPart
    /// `sagaId/stepId`: the same for every attempt (SPEC T-1). What undoes the step `x` goes by `undo-x`.
    public var key: String
    /// From 1.
    public var attempt: Int
    public var order: Identifier
    /// As it is in the log.
    public var state: Order
    /// Until the attempt must have ended, in milliseconds.
    public var timeoutMS: UInt32
    /// Of the event that caused the step (SPEC D-2), for calls and for events.
    public var metadata: Metadata

    public init(
        saga: Identifier, step: String, part: SagaPart = .action, attempt: Int, order: Identifier, state: Order,
        timeoutMS: UInt32, metadata: Metadata
    ) {
        self.saga = saga
        self.step = step
        self.part = part
        key = "\(saga)/\(part.label(of: step))"
        self.attempt = attempt
        self.order = order
        self.state = state
        self.timeoutMS = timeoutMS
        self.metadata = metadata
    }
}

extension SagaPart {
    /// Of a step's call, in keys, figures and fail points. No step is called `undo-…` (`SagaDefinition.read`).
    func label(of step: String) -> String { self == .action ? step : "undo-" + step }
}

/// What came of an attempt. `commands` are executed in the transaction that notes the result.
public enum StepResult: Sendable {
    case done([Command])
    /// A no that stays one.
    case refused(Failure, [Command])
    /// Nothing has happened there; asking again may help.
    case unavailable(Failure)
    /// Nobody here knows whether it has happened. Asked again only where that does no harm.
    case unknown(Failure)
    /// It cannot be done by a machine (SPEC T-3): a task for people, with these words.
    case manual(String)
    /// Something from outside is needed first, which was lost or never given (the card, after a restart): the saga
    /// waits for it.
    case missing(String)
}

/// A step's work: one call to a service, or commands to the core alone. Found by its name in definitions.
public protocol StepOperation: Sendable {
    /// `payment.charge` …
    var name: String { get }
    /// The same key twice does it once: then `unknown` may be tried again.
    var isIdempotent: Bool { get }
    /// Commands executed before the first attempt, in the transaction that notes that it begins.
    func announce(_ context: StepContext) -> [Command]
    func perform(_ context: StepContext) async -> StepResult
    /// Commands executed when a person says that it has happened, or has done it by hand, in the transaction that
    /// notes this. `note` is what they say about it, such as the transaction's id.
    func settled(_ context: StepContext, note: String?) -> [Command]
}

extension StepOperation {
    public func settled(_ context: StepContext, note: String?) -> [Command] { [] }
}
