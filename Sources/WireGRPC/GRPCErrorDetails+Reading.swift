import Exchanges

extension GRPCErrorDetails {
    /// One of the messages of a `google.rpc.Status`, still encoded.
    public struct Packed: Sendable, Equatable {
        /// Its full name, without what may stand before it in a type URL.
        public var type: String
        public var value: [UInt8]
    }

    /// Details one status may have; more are left out.
    static let most = 64

    /// The details of a serialised `google.rpc.Status`. What is malformed ends the list: it is an explanation, and
    /// a broken one is better than none.
    public static func packed(in status: [UInt8]) -> [Packed] {
        fields(3, of: status).map { any in
            let url = String(decoding: fields(1, of: any).last ?? [], as: UTF8.self)
            let name = url[(url.lastIndex(of: "/").map { url.index(after: $0) } ?? url.startIndex)...]
            return Packed(type: String(name), value: fields(2, of: any).last ?? [])
        }
    }

    /// What `BadRequest` details of a serialised `google.rpc.Status` say is wrong.
    public static func violations(in status: [UInt8]) -> [(field: String, description: String)] {
        var found: [(field: String, description: String)] = []
        for detail in packed(in: status) where detail.type == "google.rpc.BadRequest" {
            for violation in fields(1, of: detail.value) where found.count < most {
                func text(_ number: UInt64) -> String {
                    String(decoding: fields(number, of: violation).last ?? [], as: UTF8.self)
                }
                found.append((text(1), text(2)))
            }
        }
        return found
    }

    /// The length-delimited fields with this number.
    private static func fields(_ wanted: UInt64, of message: [UInt8]) -> [[UInt8]] {
        var reader = ProtobufFieldReader()
        var found: [[UInt8]] = []
        while found.count < most, let next = try? reader.next(message.span) {
            if case .bytes(let slice) = next.value, next.number == wanted { found.append(Array(message[slice.range])) }
        }
        return found
    }
}
