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

    /// The names in a folder that end so, in order; none after a report when it cannot be read.
    public static func names(
        in folder: String, ending: String, at place: SourcePosition, _ diagnostics: Diagnostics
    ) -> [String] {
        guard let directory = opendir(folder) else {
            diagnostics.error(at: place, "'\(folder)' cannot be read: \(String(cString: strerror(errno)))")
            return []
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(ending) && !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}
