internal import Glibc

/// A system call that failed.
public struct SystemError: Error, CustomStringConvertible, Sendable {
    public let call: String
    public let code: Int32

    /// - Parameter code: nil = what `errno` says.
    public init(_ call: String, code: Int32? = nil) {
        self.call = call
        self.code = code ?? errno
    }

    public var description: String { "\(call): \(String(cString: strerror(code))) (errno \(code))" }
}
