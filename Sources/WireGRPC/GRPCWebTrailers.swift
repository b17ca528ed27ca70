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

    private static func appendLength(_ length: Int, into out: Buffer) {
        out.append(flag)
        for shift in [24, 16, 8, 0] { out.append(UInt8(truncatingIfNeeded: length >> shift)) }
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
