import Exchanges

/// What a route matches of a path: `/api/products/{id}`, `/files/{rest...}`, `*`.
///
/// Literal parts are compared byte for byte with the path's normal form (SPEC 28.1), so they must be
/// written in that form; anything else could never match.
public struct PathTemplate: Sendable, Hashable, CustomStringConvertible {
    public enum Segment: Sendable, Hashable {
        case literal([UInt8])
        /// `{name}`: one segment, not empty.
        case parameter(String)
        /// `{name...}`: all that is left behind the slash, which may be nothing.
        case rest(String)
    }

    /// Segments a template may have; also the depth of the match.
    public static let segmentLimit = 32
    /// Captures a template may have; `Captures` has room for no more.
    public static let captureLimit = 8

    /// As written; the label of metrics and logs.
    public let text: String
    /// What stands between the slashes; empty for `*` (the target of `OPTIONS *`).
    public let segments: [Segment]

    /// Why a text is no template.
    public struct Problem: Error, Sendable { public let message: String }

    /// - Parameter repeats: may a parameter stand twice? In a match no, in a rewrite yes.
    public init(_ text: String, repeats: Bool = false) throws(Problem) {
        self.text = text
        if text == "*" {
            segments = []
            return
        }
        guard text.utf8.first == 0x2f else { throw Problem(message: "a path begins with /") }
        guard text.utf8.count <= 2048 else { throw Problem(message: "a path has at most 2048 bytes") }
        var result: [Segment] = []
        let parts = text.utf8.dropFirst().split(separator: 0x2f, omittingEmptySubsequences: false)
        for (i, part) in parts.enumerated() {
            let last = i == parts.count - 1
            if part.isEmpty && !last {
                throw Problem(message: "the path's normal form has no '//'")
            }
            let segment = try PathTemplate.segment(Array(part))
            if case .rest(let name) = segment, !last {
                throw Problem(message: "{\(name)...} takes all that is left, so it must be the last segment")
            }
            result.append(segment)
        }
        guard result.count <= PathTemplate.segmentLimit else {
            throw Problem(message: "a path has at most \(PathTemplate.segmentLimit) segments")
        }
        segments = result
        guard captureNames.count <= PathTemplate.captureLimit else {
            throw Problem(message: "a path has at most \(PathTemplate.captureLimit) parameters")
        }
        for (i, name) in captureNames.enumerated() where !repeats && captureNames[..<i].contains(name) {
            throw Problem(message: "the parameter '\(name)' stands twice in the path")
        }
    }

    /// What a route matches of a topic, a filter or a client identifier of MQTT: `iot/inventory/{sku}/delta`. Literal
    /// levels are written as MQTT clients write them; `{name}` stands for one level, which may be empty, and
    /// `{name...}` for all that follow, which may be none.
    public init(topic text: String) throws(Problem) {
        self.text = text
        guard !text.isEmpty else { throw Problem(message: "a topic has at least one byte") }
        guard text.utf8.count <= 2048 else { throw Problem(message: "a topic of a route has at most 2048 bytes") }
        let parts = text.utf8.split(separator: 0x2f, omittingEmptySubsequences: false)
        guard parts.count <= PathTemplate.segmentLimit else {
            throw Problem(message: "a topic of a route has at most \(PathTemplate.segmentLimit) levels")
        }
        var result: [Segment] = []
        for (i, part) in parts.enumerated() {
            let segment = try PathTemplate.level(Array(part))
            if case .rest(let name) = segment, i < parts.count - 1 {
                throw Problem(message: "{\(name)...} takes all that is left, so it must be the last level")
            }
            result.append(segment)
        }
        segments = result
        guard captureNames.count <= PathTemplate.captureLimit else {
            throw Problem(message: "a topic has at most \(PathTemplate.captureLimit) parameters")
        }
        for (i, name) in captureNames.enumerated() where captureNames[..<i].contains(name) {
            throw Problem(message: "the parameter '\(name)' stands twice in the topic")
        }
    }

    /// Parts that are known to be right.
    init(segments: [Segment], text: String) {
        self.segments = segments
        self.text = text
    }

    /// `*`, the target of `OPTIONS *`.
    public var isAsterisk: Bool { segments.isEmpty }

    /// Names of the captures, in the order of `Captures`.
    public var captureNames: [String] {
        segments.compactMap { segment in
            switch segment {
            case .literal: nil
            case .parameter(let name), .rest(let name): name
            }
        }
    }

    public var description: String { text }

    private static func segment(_ bytes: [UInt8]) throws(Problem) -> Segment {
        let text = String(decoding: bytes, as: UTF8.self)
        guard bytes.contains(0x7b) || bytes.contains(0x7d) else {
            try checkLiteral(bytes)
            return .literal(bytes)
        }
        guard bytes.first == 0x7b, bytes.last == 0x7d else {
            throw Problem(message: "a parameter is a whole segment: '\(text)' mixes it with text")
        }
        var name = bytes.dropFirst().dropLast()
        let rest = name.suffix(3).elementsEqual([0x2e, 0x2e, 0x2e])
        if rest { name = name.dropLast(3) }
        guard name.count >= 1, name.count <= 64, name.allSatisfy({ $0 == 0x5f || $0.isLetterOrDigit }) else {
            throw Problem(message: "'\(text)' is not a parameter: {name} or {name...} with letters, digits and _")
        }
        let word = String(decoding: name, as: UTF8.self)
        return rest ? .rest(word) : .parameter(word)
    }

    private static func level(_ bytes: [UInt8]) throws(Problem) -> Segment {
        if bytes.contains(0x7b) || bytes.contains(0x7d) { return try segment(bytes) }
        let text = String(decoding: bytes, as: UTF8.self)
        if bytes.contains(0x2b) || bytes.contains(0x23) {
            throw Problem(message: "'\(text)': a route has {name} for one level and {name...} for the rest, not + and #")
        }
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw Problem(message: "a topic has no control characters")
        }
        return .literal(Array(TopicPath.path(of: text, isFilter: false).utf8.dropFirst()))
    }

    /// Refuses what the normal form never contains: dot segments, a query, raw bytes that need
    /// encoding, and encodings that the normal form writes in another way.
    static func checkLiteral(_ bytes: [UInt8]) throws(Problem) {
        let text = String(decoding: bytes, as: UTF8.self)
        if text == "." || text == ".." { throw Problem(message: "the path's normal form has no '\(text)' segment") }
        var i = 0
        while i < bytes.count {
            let byte = bytes[i]
            if byte == 0x25 {
                guard i + 2 < bytes.count, let high = bytes[i + 1].hexValue, let low = bytes[i + 2].hexValue else {
                    throw Problem(message: "'\(text)' has a % without two hexadecimal digits")
                }
                let decoded = high << 4 | low
                if decoded == 0 { throw Problem(message: "'\(text)' has %00, which is refused everywhere") }
                if decoded.isUnreserved {
                    throw Problem(message: "'\(text)' encodes a letter, digit or one of -._~; write it plainly")
                }
                if bytes[i + 1].isLowerHex || bytes[i + 2].isLowerHex {
                    throw Problem(message: "'\(text)' has %-digits in lower case; the normal form has upper case")
                }
                i += 3
                continue
            }
            if byte == 0x3f || byte == 0x23 {
                throw Problem(message: "a path has no query or fragment: '\(text)'")
            }
            guard byte.isPathCharacter else {
                throw Problem(message: "'\(text)' has a byte that needs %-encoding")
            }
            i += 1
        }
    }
}

extension UInt8 {
    var isLetterOrDigit: Bool { (self >= 48 && self <= 57) || ((self | 0x20) >= 97 && (self | 0x20) <= 122) }
    var isLowerHex: Bool { self >= 97 && self <= 102 }
    /// RFC 3986 section 2.3.
    var isUnreserved: Bool { isLetterOrDigit || self == 0x2d || self == 0x2e || self == 0x5f || self == 0x7e }
    /// `pchar` of RFC 3986 section 3.3, without `%`.
    var isPathCharacter: Bool {
        isUnreserved || [0x21, 0x24, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x3b, 0x3d, 0x3a, 0x40].contains(self)
    }
    /// `tchar` of RFC 9110 section 5.6.2.
    var isTokenCharacter: Bool {
        isLetterOrDigit
            || [0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e].contains(self)
    }
}
