public import Exchanges

/// The last frame of a gRPC-Web answer: the trailers, which browsers show to nobody, in the body.
public enum GRPCWebTrailers {
    /// Marks the frame; in messages this bit is not used.
    public static let flag: UInt8 = 0x80

    /// Appends the frame: flag, length in four bytes, then a line `name: value` for each trailer.
    /// - Parameter lines: whole field lines, CRLF each; names become lower case.
    public static func append(_ lines: borrowing Span<UInt8>, into out: Buffer) {
        let start = out.count
        appendLength(lines.count, into: out)
        out.append(lines)
        out.withMutableReadable { text in
            var at = start &+ 5
            while at < text.count {
                while at < text.count, text[at] != 0x3a {
                    text[at] = text[at].asciiLowercased
                    at &+= 1
                }
                at = text.span.lineEnd(from: at)
            }
        }
    }

    /// The frame of an ending that the gateway made itself.
    /// - Parameter message: printable ASCII without `%`; empty = none.
    public static func append(_ status: GRPCStatus, _ message: StaticString, into out: Buffer) {
        let lines = Buffer(capacity: 128)
        appendLines(status, message, into: lines)
        lines.withReadable { append($0, into: out) }
    }

    /// The same as field lines: for an answer that has no body.
    public static func appendLines(_ status: GRPCStatus, _ message: StaticString, into out: Buffer) {
        out.append("grpc-status: " as StaticString)
        out.append(decimal: UInt64(status.rawValue))
        out.append("\r\n" as StaticString)
        guard message.utf8CodeUnitCount > 0 else { return }
        out.append("grpc-message: " as StaticString)
        out.append(message)
        out.append("\r\n" as StaticString)
    }

    /// The status that trailers say; nil when they say none, or no number.
    public static func status(in lines: borrowing Span<UInt8>) -> GRPCStatus? {
        let name: StaticString = "grpc-status"
        var at = 0
        while at < lines.count {
            let end = lines.lineEnd(from: at)
            let colon = at &+ name.utf8CodeUnitCount
            if colon < end, lines[colon] == 0x3a, lines.extracting(at..<colon).equalsIgnoringCase(name) {
                return GRPCStatus(decimal: lines.extracting((colon &+ 1)..<end))
            }
            at = end
        }
        return nil
    }

    private static func appendLength(_ length: Int, into out: Buffer) {
        out.append(flag)
        for shift in [24, 16, 8, 0] { out.append(UInt8(truncatingIfNeeded: length >> shift)) }
    }
}

extension GRPCStatus {
    /// A number with white space around it; nil for anything else.
    public init?(decimal text: borrowing Span<UInt8>) {
        var start = 0
        var end = text.count
        while start < end, text[start] <= 0x20 { start &+= 1 }
        while end > start, text[end &- 1] <= 0x20 { end &-= 1 }
        guard let number = text.extracting(start..<end).decimal, let value = UInt32(exactly: number) else { return nil }
        self.init(rawValue: value)
    }
}

extension Span where Element == UInt8 {
    /// Behind the line feed of the line that `start` is in.
    fileprivate func lineEnd(from start: Int) -> Int {
        var at = start
        while at < count, self[at] != 0x0a { at &+= 1 }
        return Swift.min(at &+ 1, count)
    }
}
