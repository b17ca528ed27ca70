import Glibc

/// Files that are read whole, within a bound.
public enum FileBytes {
    /// The bytes of the file at `path`, or nil after reporting why not.
    /// - Parameters:
    ///   - limit: bytes it may have.
    ///   - place: where the problem is reported: the file itself, or what names it.
    public static func read(
        path: String, atMost limit: Int, at place: SourcePosition, _ diagnostics: Diagnostics
    ) -> [UInt8]? {
        let name = place.file == path ? "" : "'\(path)' "
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            diagnostics.error(at: place, "\(name)cannot be read: \(String(cString: strerror(errno)))")
            return nil
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= limit {
            let n = piece.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if n < 0 && errno == EINTR { continue }
            guard n >= 0 else {
                diagnostics.error(at: place, "\(name)cannot be read: \(String(cString: strerror(errno)))")
                return nil
            }
            if n == 0 { return bytes }
            bytes += piece[..<n]
        }
        diagnostics.error(at: place, "\(name)is larger than \(limit >> 20)MiB")
        return nil
    }
}
