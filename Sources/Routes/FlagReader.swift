import Settings

/// The flag file: which flags there are, for which share of whom they are on.
struct FlagFile {
    /// Flags of one file.
    static let most = 1_000
    /// Targets of one flag.
    static let mostTargets = 100

    var path: String
    var flags: [FlagDefinition]

    /// Nil when the configuration names none, or after a report.
    static func read(_ configuration: Configuration, _ diagnostics: Diagnostics) -> FlagFile? {
        guard let path = configuration.flags?.path, let document = Document.read(path: path, diagnostics) else { return nil }
        return FlagReader(diagnostics: diagnostics).read(document)
    }

    subscript(_ name: String) -> FlagDefinition? { flags.first { $0.name == name } }
}

/// A document → `FlagFile`, every mistake reported where it stands.
struct FlagReader {
    let diagnostics: Diagnostics

    func read(_ document: Value) -> FlagFile {
        let fields = Fields(document, "a flag file", diagnostics)
        var segments: [String: SegmentDefinition] = [:]
        for entry in fields.fields("segments", "the segments")?.named() ?? [] {
            guard checkName(entry.key, "a segment", at: entry.position, diagnostics) else { continue }
            segments[entry.key] = readSegment(Fields(entry.value, "a segment", diagnostics))
        }
        var flags: [FlagDefinition] = []
        if let value = fields.value("flags") {
            if case .list(let items) = value.shape {
                for item in items {
                    guard let flag = readFlag(Fields(item, "a flag", diagnostics), segments) else { continue }
                    if let other = flags.first(where: { $0.name == flag.name }) {
                        diagnostics.error(at: flag.position, "the flag '\(flag.name)' is at \(other.position) already")
                    } else {
                        flags.append(flag)
                    }
                }
                if flags.count > FlagFile.most {
                    diagnostics.error(at: flags[FlagFile.most].position, "more than \(FlagFile.most) flags")
                }
            } else {
                diagnostics.error(at: value.position, "'flags' must be a list, not \(value.summary)")
            }
        }
        fields.finish()
        return FlagFile(path: document.position.file, flags: flags)
    }

    private func readFlag(_ fields: Fields, _ segments: [String: SegmentDefinition]) -> FlagDefinition? {
        defer { fields.finish() }
        let weight = fields.value("weight").flatMap { $0.basisPoints("weight", diagnostics) }
        if !fields.has("weight") { diagnostics.error(at: fields.position, "a flag needs a 'weight' in percent; 0 = off") }
        let salt = fields.value("salt").flatMap { text("salt", $0) }
        let targets = readTargets(fields, segments)
        let affinity = readAffinity(fields)
        guard let value = fields.value("name") else {
            diagnostics.error(at: fields.position, "a flag needs a name")
            return nil
        }
        guard let name = value.string("name", diagnostics), checkName(name, "a flag", at: value.position, diagnostics) else {
            return nil
        }
        var flag = FlagDefinition(name: name, position: fields.position)
        flag.weight = weight ?? 0
        flag.salt = salt ?? name
        flag.targets = targets
        flag.affinity = affinity ?? flag.affinity
        return flag
    }

    /// `affinity: 30d`, or `off`.
    private func readAffinity(_ fields: Fields) -> UInt32? {
        guard let value = fields.value("affinity") else { return nil }
        if case .scalar("off", _) = value.shape { return 0 }
        return value.milliseconds("affinity", in: 1_000...4_233_600_000, diagnostics)
    }

    private func readTargets(_ fields: Fields, _ segments: [String: SegmentDefinition]) -> [FlagTarget] {
        guard let value = fields.value("targets") else { return [] }
        guard case .list(let items) = value.shape else {
            diagnostics.error(at: value.position, "'targets' must be a list, not \(value.summary)")
            return []
        }
        if items.count > FlagFile.mostTargets {
            diagnostics.error(at: items[FlagFile.mostTargets].position, "more than \(FlagFile.mostTargets) targets of one flag")
        }
        return items.compactMap { readTarget(Fields($0, "a target of a flag", diagnostics), segments) }
    }

    private func readTarget(_ fields: Fields, _ segments: [String: SegmentDefinition]) -> FlagTarget? {
        let side = fields.choice("side", ["on", "off"])
        if !fields.has("side") { diagnostics.error(at: fields.position, "a target needs its 'side': on or off") }
        let given = ["users", "segment", "claim"].filter { fields.value($0) != nil }
        defer { fields.finish() }
        guard given.count == 1, let kind = given.first, let value = fields.value(kind) else {
            diagnostics.error(at: fields.position, "a target is exactly one of users, segment, claim: whom does it concern?")
            return nil
        }
        let whom: FlagTarget.Whom?
        switch kind {
        case "users": whom = texts("users", fields).map { .users($0) }
        case "claim": whom = readClaims(fields, "claim").map { .segment(SegmentDefinition(claims: $0)) }
        default:
            whom = value.string("segment", diagnostics).flatMap { name in
                if let segment = segments[name] { return .segment(segment) }
                diagnostics.error(
                    at: value.position, "unknown segment '\(name)'" + Spelling.hint(name, among: segments.keys.sorted()))
                return nil
            }
        }
        guard let whom, let side else { return nil }
        return FlagTarget(whom: whom, isOn: side == "on")
    }

    private func readSegment(_ fields: Fields) -> SegmentDefinition {
        var segment = SegmentDefinition()
        for value in fields.list("kind") ?? [] {
            if let kind = value.choice("kind", SegmentDefinition.kindNames, diagnostics) { segment.kinds.append(kind) }
        }
        segment.issuers = texts("issuer", fields) ?? []
        segment.roles = texts("roles", fields) ?? []
        segment.scopes = texts("scopes", fields) ?? []
        segment.claims = readClaims(fields, "claim") ?? []
        if segment.isEmpty, !["kind", "issuer", "roles", "scopes", "claim"].contains(where: fields.has) {
            diagnostics.error(at: fields.position, "a segment needs a condition: kind, issuer, roles, scopes or claim")
        }
        fields.finish()
        return segment
    }

    /// `claim: { tenant: [acme] }`
    private func readClaims(_ fields: Fields, _ key: String) -> [SegmentDefinition.Claim]? {
        guard let map = fields.fields(key, "a claim and its values") else { return nil }
        let claims = map.named().compactMap { entry in
            texts(entry.key, map).map { SegmentDefinition.Claim(name: entry.key, values: $0) }
        }
        if map.named().isEmpty { diagnostics.error(at: map.position, "'\(key)' needs the name of a claim and its values") }
        return claims.isEmpty ? nil : claims
    }

    /// At least one text.
    private func texts(_ key: String, _ fields: Fields) -> [String]? {
        guard let values = fields.list(key) else { return nil }
        if values.isEmpty { diagnostics.error(at: fields.position(of: key), "'\(key)' is empty, so it would never hold") }
        return values.compactMap { text(key, $0) }
    }

    private func text(_ key: String, _ value: Value) -> String? {
        guard let text = value.string(key, diagnostics) else { return nil }
        if (1...256).contains(text.utf8.count) { return text }
        diagnostics.error(at: value.position, "'\(key)' must have 1 to 256 bytes")
        return nil
    }
}
