import Exchanges
import WireMQTT

/// What MQTT packets say beside their topic, as header fields, so that idempotency keys, traces, conditions of routes and
/// upstreams read them as they do those of HTTP.
enum MQTTFields {
    /// Bytes of a topic, a filter or a client identifier, at most.
    static let longestTopic = 8192
    /// Bytes of the topics behind one client's aliases, at most.
    static let mostAliasBytes = 16 << 10
    /// Bytes of one packet's fields, at most; those that come after are left out.
    static let mostBytes = 8 << 10

    /// Appends `name` and `value` to the text of a head.
    static func append(_ name: StaticString, _ value: borrowing Span<UInt8>, to head: inout Head, _ text: Buffer) {
        let start = text.count
        text.append(name)
        let number = text.withReadable { FieldName.intern($0.extracting(start..<$0.count)) }
        finish(start, number, value, &head, text)
    }

    /// Appends the user properties whose names are those of fields, in lower case, and that clients may say.
    static func append(
        userProperties properties: Range<Int>, in bytes: borrowing Span<UInt8>, to head: inout Head, _ text: Buffer
    ) {
        guard !properties.isEmpty else { return }
        let begin = text.count
        var pairs = UserProperties(properties)
        while let (name, value) = pairs.next(bytes) {
            let (name, value) = (bytes.extracting(name), bytes.extracting(value))
            guard isName(name), isValue(value), text.count - begin + name.count + value.count <= mostBytes else { continue }
            let number = FieldName.intern(name)
            guard !reserved.contains(number) else { continue }
            let start = text.count
            text.append(name)
            finish(start, number, value, &head, text)
        }
    }

    private static func finish(
        _ start: Int, _ number: FieldName, _ value: borrowing Span<UInt8>, _ head: inout Head, _ text: Buffer
    ) {
        let middle = text.count
        text.append(value)
        head.fields.append(Field(name: number, nameText: Slice(start, middle), value: Slice(middle, text.count)))
    }

    /// What frames requests, says where they came from, or who asks: not for a message to say.
    private static let reserved: FieldNameSet = {
        var set = FieldNameSet(
            .connection, .keepAlive, .proxyConnection, .transferEncoding, .te, .upgrade, .http2Settings, .proxyAuthorization,
            .proxyAuthenticate, .host, .contentLength, .contentType, .trailer, .via, .forwarded, .xForwardedFor,
            .xForwardedProto, .xForwardedHost, .xForwardedPort, .xRealIP)
        for name in [FieldName.authorization, .cookie, .expect, .grpcTimeout] { set.insert(name) }
        return set
    }()

    /// A token (RFC 9110 section 5.6.2) in lower case, 64 bytes at most.
    private static func isName(_ name: borrowing Span<UInt8>) -> Bool {
        guard (1...64).contains(name.count) else { return false }
        for i in name.indices {
            switch name[i] {
            case 0x61...0x7a, 0x30...0x39, 0x2d, 0x5f, 0x2e: continue
            default: return false
            }
        }
        return true
    }

    /// A field's value (section 5.5), 1024 bytes at most.
    static func isValue(_ value: borrowing Span<UInt8>) -> Bool {
        guard (1...1024).contains(value.count) else { return false }
        for i in value.indices where value[i] < 0x20 || value[i] == 0x7f { return false }
        return value[0] != 0x20 && value[value.count - 1] != 0x20
    }
}
