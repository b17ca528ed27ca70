import Exchanges
import WireHTTP

/// What is asked of a call before it is made, and the head of the request that it becomes.
extension OutboundCall {
    /// Bytes of a message or body, there and back.
    static let mostBytes = 4 << 20
    private static let mostPath = 8 << 10
    private static let mostFields = 64
    private static let mostFieldBytes = 16 << 10

    /// Why it cannot be made; nil = it can.
    var fault: Outcome? {
        func wrong(_ why: StaticString) -> Outcome { Outcome(.validationError, why) }
        if timeoutMS == 0 { return Outbound.late }
        if body.count > Self.mostBytes { return Outcome(.tooLarge, "the call's body is larger than it may be") }
        switch form {
        case .grpc(let path):
            guard Self.isPath(path), !path.utf8.contains(0x3f) else { return wrong("the call's path is none of a method") }
        case .http(let verb, let path, let contentType):
            guard (1...32).contains(verb.utf8.count), verb.utf8.allSatisfy({ (0x41...0x5a).contains($0) }), verb != "CONNECT"
            else { return wrong("the call's method is none of HTTP") }
            guard Self.isPath(path) else { return wrong("the call's path is none of HTTP") }
            guard Self.isValue(contentType) else { return wrong("the call's content type cannot be sent") }
        }
        var total = 0
        for field in fields {
            guard Self.isName(field.name), Self.isValue(field.value) else { return wrong("one of the call's fields cannot be sent") }
            guard !Self.isReserved(field.name) else { return wrong("one of the call's fields is the gateway's to write") }
            total += field.name.utf8.count + field.value.utf8.count
        }
        if fields.count > Self.mostFields || total > Self.mostFieldBytes { return wrong("the call has too many fields") }
        return nil
    }

    private static func isPath(_ path: String) -> Bool {
        path.utf8.first == 0x2f && path.utf8.count <= mostPath
            && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x23 }
    }

    /// A token (RFC 9110 section 5.6.2) in lower case.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { byte in
            (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || Self.marks.contains(byte)
        }
    }

    private static let marks = Set("!#$%&'*+-.^_`|~".utf8)

    private static func isValue(_ value: String) -> Bool {
        let bytes = value.utf8
        return bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 } && ![0x20, 0x09].contains(bytes.first ?? 0)
            && ![0x20, 0x09].contains(bytes.last ?? 0)
    }

    /// Fields that frame the request, or that the gateway says itself. Answers in a coding are not asked for.
    private static func isReserved(_ name: String) -> Bool {
        let number = FieldName.intern(name.utf8Span.span)
        return ForwardedRequest.replaced.contains(number) || [.contentType, .grpcTimeout, .expect].contains(number)
            || ["accept-encoding", "grpc-encoding", "grpc-accept-encoding"].contains(name)
    }

    /// Writes the request's head: what it says into `text`, and where that stands into `head`.
    func write(_ head: inout Head, into text: Buffer) {
        func place(_ write: () -> Void) -> Slice {
            let start = text.count
            write()
            return Slice(start, text.count)
        }
        func field(_ name: String, _ value: String) {
            let nameText = place { text.append(name) }
            let number = FieldName.intern(name.utf8Span.span)
            head.fields.append(Field(name: number, nameText: nameText, value: place { text.append(value) }))
        }
        func line(_ verb: String, _ path: Substring) {
            head.verb = Verb.allCases.first { $0.token == verb } ?? .other
            head.method = place { text.append(verb) }
            text.append(0x20)
            head.path = place { text.append(String(path)) }
            head.target = head.path
        }
        switch form {
        case .grpc(let path):
            line("POST", path[...])
            head.dialect = .grpc
            head.version = .http2
            field("content-type", "application/grpc+proto")
        case .http(let verb, let path, let contentType):
            let parts = path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            line(verb, parts[0])
            if parts.count > 1 {
                head.hasQuery = true
                head.query = place { text.append(String(parts[1])) }
            }
            if !body.isEmpty, !contentType.isEmpty { field("content-type", contentType) }
        }
        for one in fields { field(one.name, one.value) }
    }

    /// Does the request say its length although it has no body? Its method makes the recipient expect one
    /// (RFC 9110 section 8.6).
    var saysLength: Bool {
        switch form {
        case .grpc: true
        case .http(let verb, _, _): !body.isEmpty || ["POST", "PUT", "PATCH"].contains(verb)
        }
    }
}
