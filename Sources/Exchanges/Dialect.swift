/// The protocol an exchange came in by.
public enum Dialect: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case http, grpc, soap, eventStream, webSocket, mqtt
    /// gRPC as browsers can speak it: trailers in the body; the second in base64.
    case grpcWeb, grpcWebText
    /// One call with a JSON body, at the address of a gRPC method (the Connect protocol's unary form).
    case connect

    /// Does it call a gRPC method, in whatever form?
    @inlinable public var callsGRPC: Bool {
        switch self {
        case .grpc, .grpcWeb, .grpcWebText, .connect: true
        case .http, .soap, .eventStream, .webSocket, .mqtt: false
        }
    }
}

extension Dialect {
    /// The dialect of a request with this `Content-Type`; parameters and message formats (`+proto`) do not count.
    public init(contentType: borrowing Span<UInt8>) {
        self = .http
        guard contentType.count >= 16, contentType.extracting(0..<16).equalsIgnoringCase("application/grpc") else {
            return
        }
        var end = 16
        while end < contentType.count, !Self.endsType(contentType[end]) { end += 1 }
        let rest = contentType.extracting(16..<end)
        if rest.isEmpty {
            self = .grpc
        } else if rest.equalsIgnoringCase("-web") {
            self = .grpcWeb
        } else if rest.equalsIgnoringCase("-web-text") {
            self = .grpcWebText
        }
    }

    private static func endsType(_ byte: UInt8) -> Bool { byte == 0x2b || byte == 0x3b || byte == 0x20 || byte == 0x09 }
}
