import EventCore
import Glibc

/// Looks a write-ahead log over before SQLite reads it.
///
/// SQLite ends at the first frame that is not what was written, as it must: after a crash that is where the last,
/// unfinished commit was. But it does so as well when the disk has damaged a frame in the middle, and what was
/// acknowledged after it would be gone without a word. The two can be told apart: a commit is begun only when the
/// one before it is on disk, so behind an unfinished commit there is nothing. Where something follows, this refuses.
///
/// The format: https://www.sqlite.org/fileformat2.html#walformat
struct WALCheck {
    private let file: Int32
    private let pageSize: Int
    private let salts: (UInt32, UInt32)
    /// Words of the checksums are big-endian.
    private let isBigEndian: Bool
    private var sum: (UInt32, UInt32)

    private static let headerBytes = 32
    private static let frameHeaderBytes = 24

    /// - Parameter path: of the database.
    /// - Throws: `unusable` when commits that were acknowledged would be lost, or when that cannot be found out.
    static func check(database path: String) throws(StoreError) {
        let file = open(path + "-wal", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT { return }
            throw unreadable()
        }
        defer { close(file) }
        let header = try read(file, headerBytes, at: 0)
        // None yet, or not written before a crash: nothing has been acknowledged from it.
        guard header.count == headerBytes, header.contains(where: { $0 != 0 }) else { return }
        guard var check = WALCheck(file, header) else {
            throw .unusable("the beginning of the write-ahead log is damaged")
        }
        try check.frames()
    }

    private init?(_ file: Int32, _ header: [UInt8]) {
        self.file = file
        let magic = WALCheck.word(header, 0)
        isBigEndian = magic & 1 == 1
        pageSize = Int(WALCheck.word(header, 8))
        salts = (WALCheck.word(header, 16), WALCheck.word(header, 20))
        sum = (0, 0)
        guard magic & ~1 == 0x377f_0682, pageSize >= 512, pageSize <= 65_536, pageSize & (pageSize - 1) == 0 else { return nil }
        add(header, 0..<24)
        guard sum == (WALCheck.word(header, 24), WALCheck.word(header, 28)) else { return nil }
    }

    private mutating func frames() throws(StoreError) {
        var number = 1
        /// The first that is not what was written.
        var bad: Int?
        /// Behind it a commit has ended, so all before that was on disk.
        var commitEnded = false
        while true {
            let frame = try WALCheck.read(
                file, WALCheck.frameHeaderBytes + pageSize,
                at: WALCheck.headerBytes + (number - 1) * (WALCheck.frameHeaderBytes + pageSize))
            guard frame.count == WALCheck.frameHeaderBytes + pageSize else { return }
            let isOfThisLog = salts == (WALCheck.word(frame, 8), WALCheck.word(frame, 12))
            if bad == nil {
                // Of the log before this one: the end.
                if !isOfThisLog, number != 1, try !hasMore(after: number) { return }
                add(frame, 0..<8)
                add(frame, 24..<frame.count)
                if !isOfThisLog || sum != (WALCheck.word(frame, 16), WALCheck.word(frame, 20)) { bad = number }
            } else if commitEnded, isOfThisLog {
                throw .unusable("the write-ahead log is damaged in frame \(bad ?? 0), before commits that were acknowledged")
            }
            if bad != nil, isOfThisLog, WALCheck.word(frame, 4) != 0 { commitEnded = true }
            number += 1
        }
    }

    /// Is there a frame of this log behind one that is not?
    private func hasMore(after number: Int) throws(StoreError) -> Bool {
        let next = try WALCheck.read(
            file, WALCheck.frameHeaderBytes,
            at: WALCheck.headerBytes + number * (WALCheck.frameHeaderBytes + pageSize))
        return next.count == WALCheck.frameHeaderBytes && salts == (WALCheck.word(next, 8), WALCheck.word(next, 12))
    }

    private mutating func add(_ bytes: [UInt8], _ range: Range<Int>) {
        var at = range.lowerBound
        while at < range.upperBound {
            let (first, second) = (WALCheck.word(bytes, at), WALCheck.word(bytes, at + 4))
            sum.0 &+= (isBigEndian ? first : first.byteSwapped) &+ sum.1
            sum.1 &+= (isBigEndian ? second : second.byteSwapped) &+ sum.0
            at += 8
        }
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
    }

    /// - Returns: empty where the file ends before `count`.
    private static func read(_ file: Int32, _ count: Int, at offset: Int) throws(StoreError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let n = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(offset)) }
        if n < 0 { throw unreadable() }
        return n == count ? bytes : []
    }

    private static func unreadable() -> StoreError {
        .unusable("the write-ahead log cannot be read: \(String(cString: strerror(errno)))")
    }
}
