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

    /// The field's value: a text, or a number's digits. Nil when the body does not say it, or says it in a way that
    /// another reader could take for something else.
    func value(in body: Buffer, _ schema: ProtoSchema?) -> [UInt8]? { withValue(in: body, schema) { $0.bytes } }

    /// The same, where it stands.
    func withValue<R>(in body: Buffer, _ schema: ProtoSchema?, _ use: (Span<UInt8>) -> R?) -> R? {
        body.withReadable { bytes -> R? in
            switch self {
            case .message(let path):
                // One message, and a plain one: whoever counts differently reads another.
                guard let schema, bytes.count > 5, bytes[0] == 0, GRPCMessageReader.length(bytes) == bytes.count - 5 else {
                    return nil
                }
                let message = bytes.extracting(5..<bytes.count)
                guard let field = schema.field(path, of: message) else { return nil }
                return use(message.extracting(field.range))
            case .json(let names):
                guard let tape = try? JSONTape(bytes) else { return nil }
                var at = 0
                for spellings in names {
                    guard let next = tape.onlyMember(spellings, of: at, in: bytes) else { return nil }
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
    /// The value of the member with one of these names; nil when there is none, or another one that some reader could
    /// take for it: there are some that ignore case.
    fileprivate func onlyMember(_ names: [[UInt8]], of object: Int, in text: Span<UInt8>) -> Int? {
        guard self[object].kind == .object, let folded = names.first.map(Self.folded) else { return nil }
        var found: Int?
        let end = next(object)
        var at = object + 1
        while at < end {
            let name = string(at, in: text)
            if Self.folded(name) == folded {
                guard found == nil, names.contains(name) else { return nil }
                found = at + 1
            }
            at = next(at + 1)
        }
        return found
    }

    /// Without case and underscores.
    private static func folded(_ name: [UInt8]) -> [UInt8] {
        name.filter { $0 != 0x5f }.map { $0 >= 65 && $0 <= 90 ? $0 | 0x20 : $0 }
    }
}
