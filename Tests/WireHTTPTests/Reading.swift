import Exchanges
import WireHTTP

/// What a request parser made of some bytes, as values that can be compared.
struct RequestReading: Equatable {
    enum End: Equatable { case complete(Int), incomplete, refused(HTTP1Fault) }

    var end = End.incomplete
    var method = ""
    var verb = Verb.get
    var target = ""
    var path = ""
    var query: String?
    var authority = ""
    var fields: [String] = []
    var body = BodyFraming.none
    var minor: UInt8 = 1
    var persistent = false
    var flags: [Bool] = []

    /// Bytes of the head, when there is one.
    var length: Int? { if case .complete(let n) = end { n } else { nil } }
    var fault: HTTP1Fault? { if case .refused(let fault) = end { fault } else { nil } }

    /// Gives the parser the first `known[0]` bytes, then the first `known[1]` …, as a connection does.
    init(_ bytes: [UInt8], known: [Int], limits: HTTP1Limits = HTTP1Limits()) {
        var parser = HTTP1RequestParser()
        var head = Head()
        var framing = HTTP1Framing()
        var body = BodyFraming.none
        for count in known {
            let progress = parser.parse(
                bytes.span.extracting(0..<count), into: &head, framing: &framing, body: &body, limits: limits)
            switch progress {
            case .needMore: continue
            case .failed(let fault):
                end = .refused(fault)
                return
            case .complete(let n):
                end = .complete(n)
                describe(head, framing, body, bytes)
                return
            }
        }
    }

    init(_ bytes: [UInt8], limits: HTTP1Limits = HTTP1Limits()) { self.init(bytes, known: [bytes.count], limits: limits) }
    init(_ text: String, limits: HTTP1Limits = HTTP1Limits()) { self.init(Array(text.utf8), limits: limits) }

    init(byteByByte bytes: [UInt8], limits: HTTP1Limits = HTTP1Limits()) {
        self.init(bytes, known: Array(0...bytes.count), limits: limits)
    }

    private mutating func describe(_ head: Head, _ framing: HTTP1Framing, _ body: BodyFraming, _ bytes: [UInt8]) {
        func string(_ slice: Slice) -> String { String(decoding: bytes[slice.range], as: UTF8.self) }
        method = string(head.method)
        verb = head.verb
        target = string(head.target)
        path = string(head.path)
        query = head.hasQuery ? string(head.query) : nil
        authority = string(head.authority)
        fields = head.fields.map { "\($0.name.rawValue) \(string($0.nameText)): \(string($0.value))" }
        self.body = body
        minor = framing.minor
        persistent = framing.persistent
        flags = [
            framing.chunked, framing.close, framing.keepAlive, framing.upgradeOption, framing.namesFields,
            framing.hasUpgrade, framing.expectContinue, framing.wantsTrailers, framing.requestsUpgrade,
        ]
    }
}

/// What the answer parser made of some bytes.
struct ResponseReading: Equatable {
    var end = RequestReading.End.incomplete
    var status: UInt16 = 0
    var reason = ""
    var fields: [String] = []
    var body = BodyFraming.none
    var persistent = false

    var fault: HTTP1Fault? { if case .refused(let fault) = end { fault } else { nil } }

    init(_ bytes: [UInt8], known: [Int], to verb: Verb = .get, limits: HTTP1Limits = HTTP1Limits()) {
        var parser = HTTP1ResponseParser()
        var head = ReplyHead()
        var framing = HTTP1Framing()
        for count in known {
            var found = BodyFraming.none
            let progress = parser.parse(
                bytes.span.extracting(0..<count), to: verb, into: &head, framing: &framing, body: &found, limits: limits)
            switch progress {
            case .needMore: continue
            case .failed(let fault):
                end = .refused(fault)
                return
            case .complete(let n):
                end = .complete(n)
                status = head.status
                reason = String(decoding: bytes[head.reason.range], as: UTF8.self)
                fields = head.fields.map {
                    String(decoding: bytes[$0.nameText.range], as: UTF8.self) + ": "
                        + String(decoding: bytes[$0.value.range], as: UTF8.self)
                }
                body = found
                persistent = framing.persistent
                return
            }
        }
    }

    init(_ text: String, to verb: Verb = .get, limits: HTTP1Limits = HTTP1Limits()) {
        let bytes = Array(text.utf8)
        self.init(bytes, known: [bytes.count], to: verb, limits: limits)
    }
}
