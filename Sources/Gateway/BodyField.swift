import Contracts
import Exchanges
import Pipeline
import Routes
import Settings
import WireGRPC

/// A field of a request's body that a stage goes by: who asks, or whose the thing is.
enum BodyField: Sendable {
    /// Of a call's one message.
    case message(ProtoFieldPath)
    /// Of a JSON text: the names on the way, each in both spellings.
    case json([[[UInt8]]])

    /// - Parameter method: the route's method in the schema, if it is there.
    /// - Returns: why not, as the end of a sentence.
    static func find(
        _ path: String, _ route: RouteDefinition, _ method: Int?, _ schema: ProtoSchema?
    ) -> Result<BodyField, Missing> {
        guard route.match.grpc else { return .success(json(path)) }
        guard let schema, let method else { return .failure(Missing(text: "the message of its calls is not known")) }
        let type = schema.methods[method].input
        guard let found = try? schema.path(path, in: type) else {
            return .failure(Missing(text: "\(schema.name(ofMessage: type)) has no field '\(path)'"))
        }
        return .success(.message(found))
    }

    /// Of a JSON text.
    static func json(_ path: String) -> BodyField {
        .json(path.split(separator: ".").map { [String($0), camelCase(String($0)), snakeCase(String($0))].map { Array($0.utf8) } })
    }

    struct Missing: Error { var text: String }

    /// `userId` → `user_id`
    private static func snakeCase(_ name: String) -> String {
        String(name.flatMap { $0.isUppercase ? ["_", Character($0.lowercased())] : [$0] })
    }

    /// `user_id` → `userId`
    private static func camelCase(_ name: String) -> String {
        let parts = name.split(separator: "_")
        return (parts.first.map(String.init) ?? "") + parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// What a body says of the field.
    enum Reading {
        /// A text, or a number's digits.
        case value([UInt8])
        /// It is well-formed, and nobody finds the field in it.
        case absent
        /// Another reader could take it for something else.
        case unclear
    }

    func reading(of body: Buffer, _ schema: ProtoSchema?) -> Reading {
        if let value = withValue(in: body, schema, { $0.bytes }) { return .value(value) }
        return isAbsent(from: body, schema) ? .absent : .unclear
    }

    private func isAbsent(from body: Buffer, _ schema: ProtoSchema?) -> Bool {
        body.withReadable { bytes in
            switch self {
            case .message(let path):
                guard let schema, let message = Self.message(bytes) else { return false }
                return !schema.holds(path, in: bytes.extracting(message)) && schema.canRead(path, in: bytes.extracting(message))
            case .json(let names):
                guard let tape = try? JSONTape(bytes), tape[0].kind == .object else { return false }
                var at = 0
                for spellings in names {
                    switch tape.member(spellings, of: at, in: bytes) {
                    case .absent: return true
                    case .unclear: return false
                    case .found(let next): at = next
                    }
                }
                return tape[at].kind == .null
            }
        }
    }

    /// Where the one message of a call stands, if that is a plain one: whoever counts differently reads another.
    private static func message(_ bytes: Span<UInt8>) -> Range<Int>? {
        guard bytes.count >= 5, bytes[0] == 0, GRPCMessageReader.length(bytes) == bytes.count - 5 else { return nil }
        return 5..<bytes.count
    }

    /// The field's value, where it stands: a text, or a number's digits. Nil when the body does not say it, or says it
    /// in a way that another reader could take for something else.
    func withValue<R>(in body: Buffer, _ schema: ProtoSchema?, _ use: (Span<UInt8>) -> R?) -> R? {
        body.withReadable { bytes -> R? in
            switch self {
            case .message(let path):
                guard let schema, let place = Self.message(bytes) else { return nil }
                let message = bytes.extracting(place)
                guard let field = schema.field(path, of: message) else { return nil }
                return use(message.extracting(field.range))
            case .json(let names):
                guard let tape = try? JSONTape(bytes) else { return nil }
                var at = 0
                for spellings in names {
                    guard case .found(let next) = tape.member(spellings, of: at, in: bytes) else { return nil }
                    at = next
                }
                switch tape[at].kind {
                case .string:
                    let text = tape.string(at, in: bytes)
                    return use(text.span)
                case .number: return use(bytes.extracting(tape[at].text.range))
                case .null, .true, .false, .array, .object: return nil
                }
            }
        }
    }
}

extension JSONTape {
    fileprivate enum Member {
        case found(Int)
        case absent
        /// There is one more, or another one that some reader could take for it: there are some that ignore case.
        case unclear
    }

    /// The value of the member with one of these names.
    fileprivate func member(_ names: [[UInt8]], of object: Int, in text: Span<UInt8>) -> Member {
        guard self[object].kind == .object, let folded = names.first.map(Self.folded) else { return .unclear }
        var found: Int?
        let end = next(object)
        var at = object + 1
        while at < end {
            let name = string(at, in: text)
            if Self.folded(name) == folded {
                guard found == nil, names.contains(name) else { return .unclear }
                found = at + 1
            }
            at = next(at + 1)
        }
        return found.map(Member.found) ?? .absent
    }

    /// Without case and underscores. The long s and the sign of the Kelvin are letters of ASCII in another case: Go's
    /// JSON takes `u\u{17f}erId` for `userId`.
    private static func folded(_ name: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var rest = name[...]
        while let byte = rest.popFirst() {
            if byte == 0xc5, rest.first == 0xbf {
                rest.removeFirst()
                out.append(0x73)
            } else if byte == 0xe2, rest.starts(with: [0x84, 0xaa]) {
                rest.removeFirst(2)
                out.append(0x6b)
            } else if byte != 0x5f {
                out.append(byte >= 65 && byte <= 90 ? byte | 0x20 : byte)
            }
        }
        return out
    }
}
