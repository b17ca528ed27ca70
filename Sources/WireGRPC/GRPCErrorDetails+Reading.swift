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
        var found: [Packed] = []
        ProtobufFields.each(status.span) { number, any in
            guard number == 3, found.count < most else { return }
            var packed = Packed(type: "", value: [])
            ProtobufFields.each(any) { number, value in
                if number == 1 {
                    let url = String(decoding: value.bytes, as: UTF8.self)
                    packed.type = String(url[(url.lastIndex(of: "/").map { url.index(after: $0) } ?? url.startIndex)...])
                } else if number == 2 {
                    packed.value = value.bytes
                }
            }
            found.append(packed)
        }
        return found
    }

    /// What `BadRequest` details of a serialised `google.rpc.Status` say is wrong.
    public static func violations(in status: [UInt8]) -> [(field: String, description: String)] {
        var found: [(field: String, description: String)] = []
        for detail in packed(in: status) where detail.type == "google.rpc.BadRequest" {
            ProtobufFields.each(detail.value.span) { number, violation in
                guard number == 1, found.count < most else { return }
                var entry = (field: "", description: "")
                ProtobufFields.each(violation) { number, value in
                    if number == 1 { entry.field = String(decoding: value.bytes, as: UTF8.self) }
                    if number == 2 { entry.description = String(decoding: value.bytes, as: UTF8.self) }
                }
                found.append(entry)
            }
        }
        return found
    }
}

/// The length-delimited fields of a message; all others are passed over.
enum ProtobufFields {
    static func each(_ message: borrowing Span<UInt8>, _ field: (UInt64, borrowing Span<UInt8>) -> Void) {
        var at = 0
        while at < message.count {
            guard let tag = varint(message, &at) else { return }
            switch tag & 7 {
            case 0: guard varint(message, &at) != nil else { return }
            case 1: at += 8
            case 5: at += 4
            case 2:
                guard let length = varint(message, &at), length <= UInt64(message.count - at) else { return }
                field(tag >> 3, message.extracting(at..<(at + Int(length))))
                at += Int(length)
            default: return
            }
        }
    }

    private static func varint(_ message: borrowing Span<UInt8>, _ at: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < message.count, shift < 64 {
            let byte = message[at]
            at += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        return nil
    }
}
