public import Exchanges

/// What the connection-level and framing fields of one head said, gathered while its lines are read.
public struct HTTP1Framing: Sendable, BitwiseCopyable {
    /// 0 or 1: HTTP/1.0 or HTTP/1.1 (and later minors, which are read as 1.1).
    public var minor: UInt8 = 1
    public var contentLength: UInt64?
    /// `Transfer-Encoding: chunked` and nothing else was given.
    public var chunked = false
    public var hasTransferEncoding = false
    /// Connection options (RFC 9110 section 7.6.1).
    public var close = false
    public var keepAlive = false
    public var upgradeOption = false
    /// `Connection` named a field that is not one of the connection-level ones: look before forwarding.
    public var namesFields = false
    public var hasUpgrade = false
    /// `Upgrade` offers `h2c`.
    var offersHTTP2 = false
    public var expectContinue = false
    /// `TE: trailers`.
    public var wantsTrailers = false
    var hosts: UInt8 = 0

    public init() {}

    /// Does the connection live on after this message, as far as the sender is concerned (RFC 9112 section 9.3)?
    public var persistent: Bool { minor >= 1 ? !close : keepAlive && !close }

    /// `Upgrade` with its connection option, on a version that has it. An offer of `h2c` is ignored whole (RFC 9113
    /// section 3.1): taken by an upstream, it would carry requests past everything the gateway decides.
    public var requestsUpgrade: Bool { hasUpgrade && upgradeOption && minor >= 1 && !offersHTTP2 }

    // MARK: - Per field

    /// Takes account of one field; a fault ends the message.
    mutating func note(_ field: Field, in text: borrowing Span<UInt8>) -> HTTP1Fault? {
        switch field.name {
        case .contentLength: return noteLength(text.extracting(field.value.range))
        case .transferEncoding: return noteTransferEncoding(field.value.range, text)
        case .connection: noteConnection(field.value.range, text)
        case .upgrade: noteUpgrade(field.value.range, text)
        case .te: noteTE(field.value.range, text)
        case .host:
            if hosts > 0 { return .duplicateHost }
            hosts = 1
        case .expect:
            if minor >= 1 {
                guard text.extracting(field.value.range).equalsIgnoringCase("100-continue") else {
                    return .unknownExpectation
                }
                expectContinue = true
            }
        default: break
        }
        return nil
    }

    private mutating func noteLength(_ value: borrowing Span<UInt8>) -> HTTP1Fault? {
        if contentLength != nil { return .duplicateContentLength }
        guard let length = value.decimal else { return .badContentLength }
        contentLength = UInt64(length)
        return nil
    }

    private mutating func noteTransferEncoding(_ range: Range<Int>, _ text: borrowing Span<UInt8>) -> HTTP1Fault? {
        if hasTransferEncoding { return .badTransferEncoding }
        hasTransferEncoding = true
        if text.extracting(range).equalsIgnoringCase("chunked") {
            chunked = true
            return nil
        }
        // A list that ends in one `chunked` asks for a coding we do not have; any other shape has
        // no reliable length at all.
        var members = ListMembers(range)
        var chunkedSeen = 0
        var lastIsChunked = false
        var count = 0
        while let member = members.next(text) {
            count += 1
            lastIsChunked = text.extracting(member).equalsIgnoringCase("chunked")
            if lastIsChunked { chunkedSeen += 1 }
            guard isCoding(member, text) else { return .badTransferEncoding }
        }
        if count == 1 { return .unknownTransferCoding }
        return lastIsChunked && chunkedSeen == 1 ? .unknownTransferCoding : .badTransferEncoding
    }

    private func isCoding(_ range: Range<Int>, _ text: borrowing Span<UInt8>) -> Bool {
        for i in range where !ByteClass.isToken(text[i]) { return false }
        return true
    }

    private mutating func noteConnection(_ range: Range<Int>, _ text: borrowing Span<UInt8>) {
        let whole = text.extracting(range)
        if whole.equalsIgnoringCase("keep-alive") {  // by far the most frequent
            keepAlive = true
            return
        }
        var members = ListMembers(range)
        while let member = members.next(text) {
            let option = text.extracting(member)
            if option.equalsIgnoringCase("close") {
                close = true
            } else if option.equalsIgnoringCase("keep-alive") {
                keepAlive = true
            } else if option.equalsIgnoringCase("upgrade") {
                upgradeOption = true
            } else if !ConnectionFields.always.contains(FieldName.intern(option)) {
                namesFields = true
            }
        }
    }

    private mutating func noteUpgrade(_ range: Range<Int>, _ text: borrowing Span<UInt8>) {
        hasUpgrade = !range.isEmpty
        var members = ListMembers(range)
        while let member = members.next(text) {
            if text.extracting(member).equalsIgnoringCase("h2c") { offersHTTP2 = true }
        }
    }

    private mutating func noteTE(_ range: Range<Int>, _ text: borrowing Span<UInt8>) {
        if Self.hasTrailersOption(text.extracting(range)) { wantsTrailers = true }
    }

    /// Does this value of `TE` list `trailers` (RFC 9110 section 10.1.4)?
    public static func hasTrailersOption(_ value: borrowing Span<UInt8>) -> Bool {
        var members = ListMembers(0..<value.count)
        while let member = members.next(value) {
            if value.extracting(member).equalsIgnoringCase("trailers") { return true }
        }
        return false
    }

    // MARK: - The whole head

    /// The body of a request with this head (RFC 9112 section 6.3).
    func requestBody() -> Result<BodyFraming, HTTP1Fault> {
        if hasTransferEncoding {
            if minor == 0 { return .failure(.codingOnHTTP10) }
            if contentLength != nil { return .failure(.lengthAndCoding) }
            return .success(.chunked)
        }
        guard let contentLength, contentLength > 0 else { return .success(.none) }
        return .success(.length(contentLength))
    }

    /// The body of an answer with this head to a request with `verb`.
    func responseBody(status: UInt16, to verb: Verb) -> Result<BodyFraming, HTTP1Fault> {
        if hasTransferEncoding {
            if minor == 0 { return .failure(.codingOnHTTP10) }
            if contentLength != nil { return .failure(.lengthAndCoding) }
        }
        if verb == .head || status < 200 || status == 204 || status == 304 { return .success(.none) }
        if hasTransferEncoding { return .success(.chunked) }
        if let contentLength { return .success(contentLength == 0 ? .none : .length(contentLength)) }
        return .success(.untilClose)
    }
}

/// Fields that belong to one connection and are never forwarded (RFC 9110 section 7.6.1).
public enum ConnectionFields {
    public static let always = FieldNameSet(
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .te, .upgrade, .http2Settings,
        .proxyAuthorization, .proxyAuthenticate)

    /// Takes out of `fields` those that a `Connection` option names.
    public static func dropNamed(from fields: inout [Field], in text: borrowing Span<UInt8>) {
        var kept: [Field] = []
        for field in fields where !named(field, by: fields, in: text) { kept.append(field) }
        fields = kept
    }

    /// Is this field, which is not in `always`, named by a `Connection` option? Fields the gateway
    /// knows by number are end-to-end and protected: a client cannot have them removed.
    private static func named(_ field: Field, by head: [Field], in text: borrowing Span<UInt8>) -> Bool {
        guard field.name == .other else { return false }
        let name = text.extracting(field.nameText.range)
        for candidate in head where candidate.name == .connection {
            var members = ListMembers(candidate.value.range)
            while let member = members.next(text) {
                if member.count == name.count && sameIgnoringCase(text.extracting(member), name) { return true }
            }
        }
        return false
    }

    private static func sameIgnoringCase(_ a: borrowing Span<UInt8>, _ b: borrowing Span<UInt8>) -> Bool {
        for i in 0..<a.count where a[i].asciiLowercased != b[i].asciiLowercased { return false }
        return true
    }
}
