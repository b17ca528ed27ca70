/// A place in a file that a person wrote. Lines and columns start at 1; 0 = the file as a whole.
public struct SourcePosition: Sendable, Hashable, CustomStringConvertible {
    public var file: String
    public var line: Int
    public var column: Int

    public init(file: String, line: Int = 0, column: Int = 0) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// `file:line:column`, or `file` alone where the whole file is meant.
    public var description: String { line == 0 ? file : "\(file):\(line):\(column)" }
}

extension SourcePosition {
    /// The line and column of a byte of the file's text.
    public init(file: String, offset: Int, in text: [UInt8]) {
        let before = text.prefix(offset)
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = before.count - (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1)
        self.init(file: file, line: line, column: column)
    }
}

/// One problem and where it is.
public struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    public enum Severity: String, Sendable { case error, warning }
    public var severity: Severity
    public var position: SourcePosition
    public var message: String

    public init(_ severity: Severity, at position: SourcePosition, _ message: String) {
        self.severity = severity
        self.position = position
        self.message = message
    }

    /// `file:line:column: error: text`, the form editors and CI systems make clickable.
    public var description: String { "\(position): \(severity.rawValue): \(message)" }
}

/// Collects what is wrong, so that a person sees every problem at once and not one a run.
///
/// Created by whoever loads, passed down, read at the end; never shared between threads.
public final class Diagnostics {
    /// More than this helps nobody; the rest is counted, not kept.
    public static let limit = 500

    public private(set) var all: [Diagnostic] = []
    public private(set) var errors = 0
    private var dropped = 0

    public init() {}

    public func error(at position: SourcePosition, _ message: String) {
        errors += 1
        keep(Diagnostic(.error, at: position, message))
    }

    public func warning(at position: SourcePosition, _ message: String) {
        keep(Diagnostic(.warning, at: position, message))
    }

    private func keep(_ diagnostic: Diagnostic) {
        if all.count < Diagnostics.limit { all.append(diagnostic) } else { dropped += 1 }
    }

    /// Everything found, by file and place; the last entry says how many more there were, if any.
    public var sorted: [Diagnostic] {
        var result = all.sorted { a, b in
            (a.position.file, a.position.line, a.position.column, a.message)
                < (b.position.file, b.position.line, b.position.column, b.message)
        }
        if dropped > 0, let last = result.last {
            result.append(Diagnostic(.error, at: last.position, "and \(dropped) more problems"))
        }
        return result
    }
}
