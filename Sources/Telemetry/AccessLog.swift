public import Exchanges

/// The plain facts of one ended exchange.
public struct AccessFacts: Sendable, BitwiseCopyable {
    /// When it ended: nanoseconds since 1970.
    public var realtimeNS: Int64
    public var dialect: Dialect
    public var status: UInt16
    /// The gRPC status, where there was one.
    public var grpcStatus: UInt32?
    /// The context sent upstream: its span is this exchange's.
    public var trace: TraceContext
    public var requestID: UInt64
    public var bytesIn: UInt64
    public var bytesOut: UInt64
    public var nanoseconds: UInt64
    /// The pipeline stage that refused it, if one did.
    public var refusedBy: Stage?
    /// The side of its route's flag; nil = it has none.
    public var arm: FlagSide?

    public init(
        realtimeNS: Int64, dialect: Dialect, status: UInt16, trace: TraceContext, requestID: UInt64, bytesIn: UInt64,
        bytesOut: UInt64, nanoseconds: UInt64, refusedBy: Stage? = nil, grpcStatus: UInt32? = nil,
        arm: FlagSide? = nil
    ) {
        self.realtimeNS = realtimeNS
        self.dialect = dialect
        self.status = status
        self.grpcStatus = grpcStatus
        self.trace = trace
        self.requestID = requestID
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.nanoseconds = nanoseconds
        self.refusedBy = refusedBy
        self.arm = arm
    }
}

/// What a policy decided about an exchange.
public struct DecisionFacts: Sendable {
    public var isAllowed: Bool
    /// Its name, and the name of its rule (`default` = none of them, `opa` = who was asked outside).
    public var policy: [UInt8]
    public var rule: [UInt8]
    /// Of the policy's text; with the request's number it is the decision's.
    public var version: UInt32

    public init(isAllowed: Bool, policy: [UInt8], rule: [UInt8], version: UInt32) {
        self.isAllowed = isAllowed
        self.policy = policy
        self.rule = rule
        self.version = version
    }
}

extension AccessFacts {
    /// The gateway or its upstream has failed: 5xx, or gRPC's UNKNOWN, INTERNAL, UNAVAILABLE or DATA_LOSS.
    fileprivate var isError: Bool {
        guard let grpcStatus else { return status >= 500 }
        return status >= 500 || [2, 13, 14, 15].contains(grpcStatus)
    }
}

/// One worker's access log: lines are formatted into the worker's own buffer and handed over in
/// chunks, so that a request costs a copy and no system call, and a slow disk costs lines (counted),
/// never time. Created on the worker's thread and never leaves it.
public final class AccessLog {
    private let writer: LogWriter
    private let meters: WorkerMeters
    private let service: [UInt8]
    private let chunk = Buffer(capacity: 64 << 10)
    private let scratch = Buffer(capacity: 1 << 10)
    private var stamp = Timestamp()
    private var lines: UInt64 = 0
    private var oldestNS: UInt64 = 0

    /// A chunk this long leaves at once.
    public static let chunkBytes = 32 << 10
    /// A line waits no longer than this for company.
    public static let ageNS: UInt64 = 100_000_000
    /// Longest text of one field; what is longer is cut, so that no request writes long lines.
    static let fieldBytes = 1 << 10

    /// - Parameters:
    ///   - writer: where chunks go; shared by all workers.
    ///   - meters: counts the lines that were dropped.
    ///   - service: the `service` member of every line.
    public init(writer: LogWriter, meters: WorkerMeters, service: String) {
        self.writer = writer
        self.meters = meters
        let name = Buffer(capacity: 64)
        let text = Array(service.utf8)
        JSONText.append(text.span, to: name)
        self.service = name.copyReadable()
    }

    /// Writes one line. The path comes without its query, which may carry secrets; values are masked
    /// (`Masking`) and escaped, whatever bytes they hold. Empty values are left out.
    ///
    /// - Parameters:
    ///   - nowNS: the turn's monotonic clock, for the age of the chunk.
    ///   - route: the route's name; `upstream`: the endpoint that answered; `peer`: the client's address;
    ///     `principal`: the name in its certificate; `flag`: the name of its route's.
    public func append(
        _ facts: AccessFacts, nowNS: UInt64, method: borrowing Span<UInt8>, path: borrowing Span<UInt8>,
        correlationID: borrowing Span<UInt8>, route: borrowing Span<UInt8>, upstream: borrowing Span<UInt8>,
        peer: borrowing Span<UInt8>, principal: borrowing Span<UInt8>, userAgent: borrowing Span<UInt8>,
        decision: DecisionFacts? = nil, flag: borrowing Span<UInt8> = Span()
    ) {
        if chunk.isEmpty { oldestNS = nowNS }
        chunk.append("{\"timestamp\":\"" as StaticString)
        stamp.append(realtimeNS: facts.realtimeNS, to: chunk)
        chunk.append("\",\"level\":\"" as StaticString)
        chunk.append(facts.isError ? "error" : "info" as StaticString)
        chunk.append("\",\"service\":\"" as StaticString)
        chunk.append(service)
        chunk.append("\",\"traceId\":\"" as StaticString)
        chunk.append(hex: facts.trace.traceHigh, digits: 16)
        chunk.append(hex: facts.trace.traceLow, digits: 16)
        chunk.append("\",\"spanId\":\"" as StaticString)
        chunk.append(hex: facts.trace.span, digits: 16)
        chunk.append("\",\"requestId\":\"" as StaticString)
        chunk.append(hex: facts.requestID, digits: 16)
        chunk.append("\",\"protocol\":\"" as StaticString)
        chunk.append(facts.dialect.label)
        chunk.append("\",\"status\":" as StaticString)
        chunk.append(decimal: UInt64(facts.status))
        if let status = facts.grpcStatus {
            chunk.append(",\"grpcStatus\":" as StaticString)
            chunk.append(decimal: UInt64(status))
        }
        chunk.append(",\"bytesIn\":" as StaticString)
        chunk.append(decimal: facts.bytesIn)
        chunk.append(",\"bytesOut\":" as StaticString)
        chunk.append(decimal: facts.bytesOut)
        chunk.append(",\"processingTimeMs\":" as StaticString)
        milliseconds(facts.nanoseconds)
        if let stage = facts.refusedBy {
            chunk.append(",\"refusedBy\":\"" as StaticString)
            chunk.append(stage.label)
            chunk.append(UInt8(ascii: "\""))
        }
        text(",\"correlationId\":\"", correlationID)
        text(",\"method\":\"", method)
        text(",\"path\":\"", path)
        text(",\"route\":\"", route)
        if let arm = facts.arm {
            text(",\"flag\":\"", flag)
            chunk.append(",\"arm\":\"" as StaticString)
            chunk.append(arm.label)
            chunk.append(UInt8(ascii: "\""))
        }
        text(",\"upstream\":\"", upstream)
        text(",\"peer\":\"", peer)
        text(",\"principal\":\"", principal)
        text(",\"userAgent\":\"", userAgent)
        if let decision { append(decision, facts.requestID) }
        chunk.append("}\n" as StaticString)
        lines += 1
        if chunk.count >= AccessLog.chunkBytes { flush() }
    }

    private func append(_ decision: DecisionFacts, _ requestID: UInt64) {
        text(",\"policy\":\"", decision.policy.span)
        text(",\"rule\":\"", decision.rule.span)
        chunk.append(decision.isAllowed ? ",\"decision\":\"allow\"" : ",\"decision\":\"deny\"" as StaticString)
        chunk.append(",\"decisionId\":\"" as StaticString)
        chunk.append(hex: requestID, digits: 16)
        chunk.append(UInt8(ascii: "-"))
        chunk.append(hex: UInt64(decision.version), digits: 8)
        chunk.append(UInt8(ascii: "\""))
    }

    /// At the end of a turn: hands over what has waited long enough.
    @inline(__always) public func endTurn(nowNS: UInt64) {
        if lines > 0 && nowNS &- oldestNS >= AccessLog.ageNS { flush() }
    }

    /// Hands over everything now (drain).
    public func flush() {
        guard lines > 0 else { return }
        if !writer.offer(chunk.copyReadable()) { meters.count(.logLinesDropped, by: lines) }
        chunk.clear()
        lines = 0
    }

    private func text(_ name: StaticString, _ value: borrowing Span<UInt8>) {
        guard value.count > 0 else { return }
        chunk.append(name)
        let shown = value.extracting(0..<min(value.count, AccessLog.fieldBytes))
        if Masking.isSuspicious(shown) {
            scratch.clear()
            Masking.mask(shown, into: scratch)
            scratch.withReadable { JSONText.append($0, to: chunk) }
        } else {
            JSONText.append(shown, to: chunk)
        }
        chunk.append(UInt8(ascii: "\""))
    }

    private func milliseconds(_ nanoseconds: UInt64) {
        chunk.append(decimal: nanoseconds / 1_000_000)
        let thousandths = nanoseconds / 1_000 % 1_000
        chunk.append(UInt8(ascii: "."))
        chunk.append(48 + UInt8(thousandths / 100))
        chunk.append(48 + UInt8(thousandths / 10 % 10))
        chunk.append(48 + UInt8(thousandths % 10))
    }
}
