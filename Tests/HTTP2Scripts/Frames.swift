import WireHTTP

/// Frames made of choices: of any kind, with any flags and content, but always as long as they say, and now
/// and then one that makes sense. Mutations of raw bytes seldom get beyond a frame header.
enum Frames {
    /// The client's preface with empty SETTINGS.
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + settings
    static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: Int, _ payload: [UInt8]) -> [UInt8] {
        let n = payload.count
        let length = [UInt8(n >> 16 & 0xff), UInt8(n >> 8 & 0xff), UInt8(n & 0xff)]
        return length + [type, flags, 0, 0, UInt8(stream >> 8 & 0xff), UInt8(stream & 0xff)] + payload
    }

    /// `GET / http shop` without indexing, and with a field more; an answer `200` with one.
    private static let request: [UInt8] = [0x82, 0x86, 0x84, 0x01, 4] + Array("shop".utf8)
    private static let response: [UInt8] = [0x88, 0x10, 1, 0x78, 1, 0x79]

    static func drawn(_ choices: inout Choices, for role: HTTP2Session.Role) -> [UInt8] {
        var out: [UInt8] = []
        var next = 1
        while !choices.isEmpty {
            let kind = choices.byte() % 18
            let flags = choices.byte()
            let stream = choices.below(24)
            switch kind {
            case 0...10:
                out += frame(kind, flags, stream, choices.take(Int(choices.byte())))
            case 11...13:
                // A message's head, with END_STREAM by the flag that was drawn.
                let id = role == .server ? next : stream | 1
                next += 2
                out += frame(1, flags & 1 | 4, id, role == .server ? request : response)
            case 14: out += frame(0, flags & 1, stream | 1, [UInt8](repeating: flags, count: choices.size() & 0x3fff))
            case 15: out += frame(4, 1, 0, [])
            case 16: out += frame(4, 0, 0, [0, choices.byte() & 7, 0, 0, choices.byte(), choices.byte()])
            default: out += frame(8, 0, choices.below(2) == 0 ? 0 : stream | 1, [0, 0, choices.byte(), 1])
            }
        }
        return out
    }
}
