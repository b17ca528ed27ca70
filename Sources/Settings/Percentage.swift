/// Percentages as files and people write them, with at most two decimals, and as the gateway counts them: in 1/10,000.
public enum Percentage {
    /// `25` or `12.5` in 1/10,000, 0 to 10,000; nil for anything else.
    public static func basisPoints(_ text: String) -> UInt16? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let digits = parts.count == 2 ? parts[1] : "0"
        guard parts.count <= 2, (1...3).contains(parts[0].utf8.count), (1...2).contains(digits.utf8.count),
            (parts[0] + digits).utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let whole = UInt16(parts[0]),
            let fraction = UInt16(digits)
        else { return nil }
        let share = whole * 100 + (digits.utf8.count == 1 ? fraction * 10 : fraction)
        return share <= 10_000 ? share : nil
    }

    /// 1250 → `12.5`
    public static func text(basisPoints: UInt16) -> String {
        let (whole, rest) = (basisPoints / 100, basisPoints % 100)
        if rest == 0 { return "\(whole)" }
        return rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}

extension Value {
    /// A percentage in 1/10,000.
    public func basisPoints(_ what: String, _ diagnostics: Diagnostics) -> UInt16? {
        if case .scalar(let text, plain: true) = shape, let share = Percentage.basisPoints(text) { return share }
        diagnostics.error(
            at: position, "'\(what)' must be a percentage from 0 to 100 with at most two decimals, not \(summary)")
        return nil
    }
}
