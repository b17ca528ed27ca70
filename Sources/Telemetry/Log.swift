import CShim
import Exchanges
import Glibc

/// How much a message matters.
public enum LogLevel: UInt8, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error

    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }

    var word: StaticString {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        }
    }
}

/// The daemon's own messages: one JSON line each on standard error. For starting, reloading,
/// draining and faults; requests have their own log.
public struct Log: Sendable {
    public let service: String
    public let minimum: LogLevel
    private let file: Int32

    /// - Parameters:
    ///   - minimum: messages below it are not written.
    ///   - file: an open descriptor; standard error unless a test says otherwise.
    public init(service: String, minimum: LogLevel = .info, file: Int32 = 2) {
        self.service = service
        self.minimum = minimum
        self.file = file
    }

    public func debug(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.debug, message, fields)
    }
    public func info(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.info, message, fields)
    }
    public func warning(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.warning, message, fields)
    }
    public func error(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.error, message, fields)
    }

    /// One line, one `write`, values masked and escaped; a line that cannot be written is lost.
    public func write(_ level: LogLevel, _ message: String, _ fields: KeyValuePairs<String, String>) {
        guard level >= minimum else { return }
        let line = Buffer(capacity: 512)
        line.append("{\"timestamp\":\"" as StaticString)
        var stamp = Timestamp()
        stamp.append(realtimeNS: nx_realtime_ns(), to: line)
        line.append("\",\"level\":\"" as StaticString)
        line.append(level.word)
        line.append("\",\"service\":\"" as StaticString)
        append(service, to: line)
        line.append("\",\"message\":\"" as StaticString)
        append(message, to: line)
        for (name, value) in fields {
            line.append("\",\"" as StaticString)
            append(name, to: line)
            line.append("\":\"" as StaticString)
            append(value, to: line)
        }
        line.append("\"}\n" as StaticString)
        let bytes = line.copyReadable()
        _ = bytes.span.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
    }

    private func append(_ text: String, to line: Buffer) {
        let bytes = Array(text.utf8)
        guard Masking.isSuspicious(bytes.span) else { return JSONText.append(bytes.span, to: line) }
        let masked = Buffer(capacity: bytes.count + 32)
        Masking.mask(bytes.span, into: masked)
        masked.withReadable { JSONText.append($0, to: line) }
    }
}
