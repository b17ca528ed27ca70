import Glibc

/// The process's own figures, under the names every dashboard knows.
public enum ProcessStats {
    /// Reads them now. Figures the system does not give are left out.
    public static func families() -> [Family] {
        var out: [Family] = []
        var cpu = timespec()
        if clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0 {
            out.append(
                Family(
                    "process_cpu_seconds", .counter, "User and system CPU time spent.", unit: "seconds",
                    .nanoseconds(UInt64(cpu.tv_sec) * 1_000_000_000 + UInt64(cpu.tv_nsec))))
        }
        let pages = numbers(in: read("/proc/self/statm"))
        if pages.count > 1 {
            let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
            out.append(
                Family(
                    "process_resident_memory_bytes", .gauge, "Resident memory.", unit: "bytes",
                    .integer(pages[1] * page)))
            out.append(
                Family(
                    "process_virtual_memory_bytes", .gauge, "Virtual memory.", unit: "bytes", .integer(pages[0] * page)))
        }
        if let open = openFiles() {
            out.append(Family("process_open_fds", .gauge, "Open file descriptors.", .integer(open)))
        }
        for line in read("/proc/self/limits").split(separator: 0x0a) where line.starts(with: "Max open files".utf8) {
            guard let soft = numbers(in: Array(line)).first else { break }
            out.append(Family("process_max_fds", .gauge, "Limit of open file descriptors.", .integer(soft)))
        }
        if let start = startTime {
            out.append(
                Family(
                    "process_start_time_seconds", .gauge, "Start of the process since the Unix epoch.", unit: "seconds",
                    .real(start)))
        }
        return out
    }

    /// Field 22 of `/proc/self/stat` (ticks since boot) on the clock of `btime`; read once.
    private static let startTime: Double? = {
        // The command may hold blanks and parentheses: count fields behind the last one.
        let stat = read("/proc/self/stat")
        guard let paren = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = stat[(paren + 1)...].split(separator: 0x20)
        guard fields.count > 19, let ticks = UInt64(String(decoding: fields[19], as: UTF8.self)) else { return nil }
        for line in read("/proc/stat").split(separator: 0x0a) where line.starts(with: "btime ".utf8) {
            guard let boot = numbers(in: Array(line)).first else { return nil }
            return Double(boot) + Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
        }
        return nil
    }()

    private static func openFiles() -> UInt64? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count: UInt64 = 0
        while readdir(folder) != nil { count += 1 }
        // Not counted: `.`, `..` and the folder itself.
        return count >= 3 ? count - 3 : 0
    }

    private static func numbers(in text: [UInt8]) -> [UInt64] {
        text.split(whereSeparator: { $0 == 0x20 || $0 == 0x0a }).compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }
    }

    /// Up to 64 KiB of a file; empty when it cannot be read.
    private static func read(_ path: String) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while all.count < 64 << 10 {
            let n = Glibc.read(file, &piece, piece.count)
            guard n > 0 else { break }
            all += piece.prefix(n)
        }
        return all
    }
}
