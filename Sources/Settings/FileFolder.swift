import Glibc

/// Files that a configuration names one by one or as folders.
public enum FileFolder {
    /// Is there anything by this name?
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// `path` itself when it is a file of this kind, else all `*.yaml` in the folder, in the order of their names.
    /// - Parameters:
    ///   - kind: what reports call them (`route files`).
    ///   - whenMissing: said as a warning instead of an error when the folder is not there.
    /// - Returns: empty after a report.
    public static func yaml(
        at path: String, _ kind: String, atMost most: Int, whenMissing: String? = nil, _ diagnostics: Diagnostics
    ) -> [String] {
        if path.hasSuffix(".yaml") { return [path] }
        let place = SourcePosition(file: path)
        guard let directory = opendir(path) else {
            if let whenMissing, errno == ENOENT {
                diagnostics.warning(at: place, whenMissing)
            } else {
                diagnostics.error(at: place, "cannot be read: \(String(cString: strerror(errno)))")
            }
            return []
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                    String(cString: $0)
                }
            }
            if name.hasPrefix(".") { continue }
            if name.hasSuffix(".yaml") {
                names.append(name)
            } else if name.hasSuffix(".yml") {
                diagnostics.warning(at: SourcePosition(file: "\(path)/\(name)"), "is not read: \(kind) end with .yaml")
            }
        }
        if names.count > most { diagnostics.error(at: place, "has more than \(most) \(kind)") }
        return names.sorted().prefix(most).map { "\(path)/\($0)" }
    }
}
