import JOSE
public import Settings

/// What one configuration says of identities: compiled and checked with it, immutable, shared by all workers.
public final class IdentityTable: Sendable {
    public let definitions: [IssuerDefinition]
    /// Fields that are the gateway's to write: whatever a client says under these names is nobody's word.
    public let reserved: ReservedNames
    public let session: SessionNames
    public let services: [NamePattern]
    public let tokensInMemory: Int

    /// Reads the key files. Check `diagnostics` before using it.
    public init(_ settings: IdentitySettings, _ diagnostics: Diagnostics) {
        definitions = settings.issuers.map { IssuerDefinition($0, diagnostics) }
        reserved = ReservedNames(settings.issuers.flatMap(\.headers).map(\.name))
        session = SessionNames(settings.session)
        services = settings.services.map(NamePattern.init)
        tokensInMemory = settings.tokensInMemory
    }

    /// Is the bearer of this certificate a service?
    public func isService(certificate name: [UInt8]) -> Bool {
        !name.isEmpty && services.contains { $0.matches(name) }
    }
}

/// An issuer of a configuration, with its keys where a file has them.
public struct IssuerDefinition: Sendable {
    public let settings: IssuerSettings
    /// Nil = they are fetched.
    let keys: KeySet?
    let text: [UInt8]

    init(_ settings: IssuerSettings, _ diagnostics: Diagnostics) {
        self.settings = settings
        guard case .file(let file) = settings.keys, !file.path.isEmpty,
            let text = FileBytes.read(path: file.path, atMost: Issuer.mostBytes, at: file.position, diagnostics)
        else {
            keys = nil
            self.text = []
            return
        }
        self.text = text
        keys = Self.read(text, of: settings, from: file, diagnostics)
    }

    private static func read(
        _ text: [UInt8], of settings: IssuerSettings, from file: PlacedPath, _ diagnostics: Diagnostics
    ) -> KeySet? {
        let allowed = settings.algorithms.compactMap { Algorithm(name: $0) }
        let takesSecrets = allowed.contains(where: AlgorithmSet.symmetric.contains)
        do {
            let keys = try KeySet(text.span, takesSecrets: takesSecrets)
            for fault in keys.skipped {
                diagnostics.warning(at: file.position, "a key of '\(file.path)' is not used: \(fault.text)")
            }
            if !keys.keys.contains(where: { key in allowed.contains(where: key.algorithms.contains) }) {
                diagnostics.error(
                    at: file.position, "'\(file.path)' has no key for \(settings.algorithms.joined(separator: ", ")): no token could be verified")
            }
            return keys
        } catch {
            diagnostics.error(at: file.position, "'\(file.path)': \(error.text)")
            return nil
        }
    }
}

/// A name with `*` for anything, any number of times.
public struct NamePattern: Sendable {
    private let parts: [[UInt8]]

    public init(_ text: String) {
        parts = Array(text.utf8).split(separator: 0x2a, omittingEmptySubsequences: false).map(Array.init)
    }

    public func matches(_ name: [UInt8]) -> Bool {
        guard let first = parts.first, let last = parts.last, parts.count > 1 else { return parts.first == name }
        guard name.count >= first.count + last.count, name.starts(with: first), name.suffix(last.count) == last[...] else { return false }
        var rest = name.dropFirst(first.count).dropLast(last.count)
        // The leftmost place of each part leaves most to those behind it.
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            var at = rest.startIndex
            while at + part.count <= rest.endIndex, rest[at..<(at + part.count)] != part[...] { at += 1 }
            guard at + part.count <= rest.endIndex else { return false }
            rest = rest[(at + part.count)...]
        }
        return true
    }
}
