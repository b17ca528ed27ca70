import Contracts
import Glibc

/// The revocations' file: a JSON text a line, the last one about an id counts. Grows by lines that are on disk when
/// the change counts; written anew, and moved into place, when most of them are of no use any more.
struct RevocationJournal {
    private let path: String
    private var file: Int32
    private var lines: Int

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Bytes of the whole file: what the most entries come to, twice.
    private static let mostBytes = 256 << 20

    /// Opens the file, or makes it; what has expired is dropped from it.
    static func open(path: String, nowMS: UInt64) throws -> (RevocationJournal, [Revocations.Entry]) {
        var live: [String: Revocations.Entry] = [:]
        for line in try read(path) {
            // A line that was cut short by a crash was never confirmed.
            guard let entry = Revocations.Entry(line: line) else { continue }
            live[entry.id] = nowMS < entry.untilMS ? entry : nil
        }
        let entries = Array(live.values)
        guard let file = rewrite(path, entries) else { throw Failure(description: "\(path) cannot be written: \(String(cString: strerror(errno)))") }
        return (RevocationJournal(path: path, file: file, lines: entries.count), entries)
    }

    /// - Returns: false = it is not on disk, and does not count.
    mutating func add(_ entry: Revocations.Entry, among count: Int, _ all: () -> [Revocations.Entry]) -> Bool {
        if lines > 2 * count + 1000, let anew = Self.rewrite(path, all()) {
            close(file)
            file = anew
            lines = count
        }
        return append(entry)
    }

    mutating func remove(_ entry: Revocations.Entry) -> Bool {
        var gone = entry
        gone.untilMS = 0
        return append(gone)
    }

    private mutating func append(_ entry: Revocations.Entry) -> Bool {
        let before = lseek(file, 0, SEEK_END)
        guard Self.write(entry.line, to: file), fdatasync(file) == 0 else {
            // Half a line must not spoil the next.
            if before >= 0 { ftruncate(file, before) }
            return false
        }
        lines += 1
        return true
    }

    private static func read(_ path: String) throws -> [ArraySlice<UInt8>] {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return [] }
            throw Failure(description: "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= mostBytes {
            let n = piece.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if n < 0 && errno == EINTR { continue }
            guard n >= 0 else { throw Failure(description: "\(path) cannot be read: \(String(cString: strerror(errno)))") }
            if n == 0 { return bytes.split(separator: 0x0a) }
            bytes += piece[..<n]
        }
        throw Failure(description: "\(path) is larger than \(mostBytes >> 20) MiB")
    }

    /// Writes the file anew beside the old one and moves it into place.
    /// - Returns: the new file, open.
    private static func rewrite(_ path: String, _ entries: [Revocations.Entry]) -> Int32? {
        let name = path + ".new"
        let file = Glibc.open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { return nil }
        var text: [UInt8] = []
        for entry in entries { text += entry.line }
        guard write(text, to: file), fsync(file) == 0, rename(name, path) == 0 else {
            close(file)
            return nil
        }
        syncFolder(of: path)
        return file
    }

    private static func syncFolder(of path: String) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = Glibc.open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    private static func write(_ bytes: [UInt8], to file: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let n = bytes[done...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else { return false }
            done += n
        }
        return true
    }
}

extension Revocations.Entry {
    /// As the file has it.
    fileprivate init?(line: ArraySlice<UInt8>) {
        let text = Array(line)
        guard let value = try? JSONValue(text.span), case .string(let id)? = value["id"],
            case .number(let before)? = value["before"], let beforeMS = UInt64(before),
            case .number(let until)? = value["until"], let untilMS = UInt64(until),
            case .string(let issuer)? = value["issuer"]
        else { return nil }
        let whose: Whose
        let name: String
        switch (value["jti"], value["sub"]) {
        case (.string(let text)?, nil): (whose, name) = (.token, text)
        case (nil, .string(let text)?): (whose, name) = (.subject, text)
        default: return nil
        }
        self.init(id: id, whose: whose, name: name, issuer: issuer, beforeMS: beforeMS, untilMS: untilMS)
    }

    fileprivate var line: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("id")
        json.string(id)
        json.name(whose == .token ? "jti" : "sub" as StaticString)
        json.string(name)
        json.name("issuer")
        json.string(issuer)
        json.name("before")
        json.integer(beforeMS)
        json.name("until")
        json.integer(untilMS)
        json.endObject()
        return json.sink + [0x0a]
    }
}
