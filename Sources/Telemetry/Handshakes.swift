/// With whom a handshake is made.
public enum HandshakeSide: Int, Sendable, CaseIterable {
    case client, upstream
}

/// What became of a TLS handshake.
public enum HandshakeResult: Int, Sendable, CaseIterable {
    case started
    case full12, full13, resumed12, resumed13
    case timedOut, plaintext, certificate, noProtocol, alert, closed, protocolError

    /// The `result` label.
    var label: String {
        switch self {
        case .started: "started"
        case .full12, .full13: "ok"
        case .resumed12, .resumed13: "resumed"
        case .timedOut: "timeout"
        case .plaintext: "plaintext"
        case .certificate: "certificate"
        case .noProtocol: "no_protocol"
        case .alert: "alert"
        case .closed: "closed"
        case .protocolError: "protocol"
        }
    }

    /// The `version` label; empty where none was agreed.
    var version: String {
        switch self {
        case .full12, .resumed12: "1.2"
        case .full13, .resumed13: "1.3"
        default: ""
        }
    }
}

extension WorkerBoard {
    /// Handshakes of all boards, added up.
    static func handshakes(_ boards: [WorkerBoard]) -> Family {
        var samples: [Sample] = []
        for side in HandshakeSide.allCases {
            for result in HandshakeResult.allCases {
                let place = WorkerBoard.place(side, result)
                let count = boards.reduce(UInt64(0)) { $0 + $1.handshakes[place].read() }
                guard count > 0 else { continue }
                let labels = [("side", "\(side)"), ("result", result.label), ("version", result.version)]
                samples.append(Sample(.integer(count), labels: labels))
            }
        }
        return Family(
            "nexus_tls_handshakes", .counter, "TLS handshakes by side, result and version.", samples: samples)
    }

    static func place(_ side: HandshakeSide, _ result: HandshakeResult) -> Int { side.rawValue * 16 + result.rawValue }
}
