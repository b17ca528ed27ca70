/// "Did you mean …": the nearest of the words that would have been right.
public enum Spelling {
    /// ` (did you mean 'x'?)` when one of `words` is near enough to `typed`, else nothing.
    public static func hint(_ typed: String, among words: [String]) -> String {
        let limit = typed.count < 4 ? 1 : 2
        let near = words.map { ($0, distance(fold(typed), fold($0))) }.filter { $0.1 <= limit }
        guard let best = near.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { return "" }
        return " (did you mean '\(best.0)'?)"
    }

    /// Case and the kind of dash are not what makes a word another word.
    private static func fold(_ word: String) -> [UInt8] {
        word.utf8.prefix(64).map { $0 == 0x2d ? 0x5f : $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }
    }

    /// Optimal string alignment distance: insert, delete, replace, swap neighbours.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [i]
            for j in 1...b.count {
                var best = min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, beforeLast[j - 2] + 1) }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }
}
