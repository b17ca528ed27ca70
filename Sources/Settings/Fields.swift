/// A map read key by key: every accessor reports what does not fit, at its place, and returns nil, so
/// that reading goes on and finds the next problem. `finish` then reports the keys nobody asked for.
public final class Fields {
    public let value: Value
    /// What the map describes, for messages: "a listener".
    public let what: String
    public let diagnostics: Diagnostics
    private let entries: [Value.Entry]
    private var asked: [String] = []

    /// A value that is no map is reported; it then reads as an empty one.
    public init(_ value: Value, _ what: String, _ diagnostics: Diagnostics) {
        self.value = value
        self.what = what
        self.diagnostics = diagnostics
        switch value.shape {
        case .map(let entries): self.entries = entries
        case .scalar, .list:
            entries = []
            if !value.isNull { diagnostics.error(at: value.position, "\(what) must be a map, not \(value.summary)") }
        }
    }

    public var position: SourcePosition { value.position }

    /// The value of `key`; nil when it is missing or says nothing.
    public func value(_ key: String) -> Value? {
        asked.append(key)
        guard let entry = entries.first(where: { $0.key == key }), !entry.value.isNull else { return nil }
        return entry.value
    }

    /// Where `key` stands, or where the map begins.
    public func position(of key: String) -> SourcePosition {
        entries.first { $0.key == key }?.position ?? position
    }

    /// Does the map have `key` at all, even with nothing behind it?
    public func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

    /// The map behind `key`, to be read with the same diagnostics.
    public func fields(_ key: String, _ what: String) -> Fields? {
        value(key).map { Fields($0, what, diagnostics) }
    }

    /// Every entry of a map whose keys are names chosen by the writer.
    public func named() -> [Value.Entry] {
        asked += entries.map(\.key)
        return entries
    }

    /// Reports every key nobody asked for.
    public func finish() {
        for entry in entries where !asked.contains(entry.key) {
            diagnostics.error(
                at: entry.position, "unknown key '\(entry.key)' in \(what)" + Spelling.hint(entry.key, among: asked))
        }
    }

    public func string(_ key: String) -> String? {
        value(key).flatMap { $0.string(key, diagnostics) }
    }

    public func bool(_ key: String) -> Bool? {
        value(key).flatMap { $0.bool(key, diagnostics) }
    }

    public func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        value(key).flatMap { $0.integer(key, in: range, diagnostics) }
    }

    /// A duration; a range that includes 0 says that `0` is allowed and means "none".
    public func milliseconds(_ key: String, in range: ClosedRange<UInt32>) -> UInt32? {
        value(key).flatMap { $0.milliseconds(key, in: range, diagnostics) }
    }

    public func bytes(_ key: String, in range: ClosedRange<UInt64>) -> UInt64? {
        value(key).flatMap { $0.bytes(key, in: range, diagnostics) }
    }

    /// One of `words`.
    public func choice(_ key: String, _ words: [String]) -> String? {
        value(key).flatMap { $0.choice(key, words, diagnostics) }
    }

    /// A list; a single value counts as a list of one.
    public func list(_ key: String) -> [Value]? {
        value(key).map { value in
            if case .list(let items) = value.shape { return items }
            return [value]
        }
    }

    /// A list of texts; a single text counts as a list of one.
    public func strings(_ key: String) -> [(text: String, position: SourcePosition)]? {
        list(key).map { items in
            items.compactMap { item in item.string(key, diagnostics).map { ($0, item.position) } }
        }
    }
}

extension Value {
    public func string(_ what: String, _ diagnostics: Diagnostics) -> String? {
        guard case .scalar(let text, _) = shape, !isNull else {
            diagnostics.error(at: position, "'\(what)' must be text, not \(summary)")
            return nil
        }
        return text
    }

    /// `true` or `false`, nothing else: `yes` and `on` are text.
    public func bool(_ what: String, _ diagnostics: Diagnostics) -> Bool? {
        if case .scalar(let text, plain: true) = shape {
            if text == "true" { return true }
            if text == "false" { return false }
        }
        diagnostics.error(at: position, "'\(what)' must be true or false, not \(summary)")
        return nil
    }

    public func integer(_ what: String, in range: ClosedRange<Int>, _ diagnostics: Diagnostics) -> Int? {
        guard case .scalar(let text, plain: true) = shape, let number = Int(text), !text.hasPrefix("+") else {
            diagnostics.error(at: position, "'\(what)' must be a whole number, not \(summary)")
            return nil
        }
        guard range.contains(number) else {
            diagnostics.error(
                at: position, "'\(what)' must be from \(range.lowerBound) to \(range.upperBound), not \(number)")
            return nil
        }
        return number
    }

    /// A decimal fraction such as `0.01`, between 0 and 1.
    public func fraction(_ what: String, _ diagnostics: Diagnostics) -> Double? {
        guard case .scalar(let text, plain: true) = shape, text.utf8.allSatisfy({ $0 == 46 || ($0 >= 48 && $0 <= 57) }),
            let number = Double(text), number >= 0, number <= 1
        else {
            diagnostics.error(at: position, "'\(what)' must be a fraction from 0 to 1, not \(summary)")
            return nil
        }
        return number
    }

    public func milliseconds(_ what: String, in range: ClosedRange<UInt32>, _ diagnostics: Diagnostics) -> UInt32? {
        guard case .scalar(let text, _) = shape, let number = Quantity.milliseconds(text) else {
            diagnostics.error(at: position, "'\(what)' must be a duration such as 250ms, 10s, 5m or 1h, not \(summary)")
            return nil
        }
        guard range.contains(number) else {
            let low = Quantity.text(milliseconds: range.lowerBound)
            let high = Quantity.text(milliseconds: range.upperBound)
            diagnostics.error(at: position, "'\(what)' must be from \(low) to \(high), not \(text)")
            return nil
        }
        return number
    }

    public func bytes(_ what: String, in range: ClosedRange<UInt64>, _ diagnostics: Diagnostics) -> UInt64? {
        guard case .scalar(let text, _) = shape, let number = Quantity.bytes(text) else {
            diagnostics.error(at: position, "'\(what)' must be a size such as 512, 8KiB or 1MiB, not \(summary)")
            return nil
        }
        guard range.contains(number) else {
            let low = Quantity.text(bytes: range.lowerBound)
            let high = Quantity.text(bytes: range.upperBound)
            diagnostics.error(at: position, "'\(what)' must be from \(low) to \(high), not \(text)")
            return nil
        }
        return number
    }

    public func choice(_ what: String, _ words: [String], _ diagnostics: Diagnostics) -> String? {
        guard let text = string(what, diagnostics) else { return nil }
        guard words.contains(text) else {
            let hint = Spelling.hint(text, among: words)
            diagnostics.error(
                at: position, "'\(what)' must be one of \(words.joined(separator: ", ")), not \(summary)\(hint)")
            return nil
        }
        return text
    }
}
