/// A file's path and where it was written, for whoever finds later that the file is of no use. Two are
/// equal when their paths are.
public struct PlacedPath: Sendable, Equatable {
    public var path: String
    public var position: SourcePosition

    public init(_ path: String, at position: SourcePosition) {
        self.path = path
        self.position = position
    }

    public static func == (a: PlacedPath, b: PlacedPath) -> Bool { a.path == b.path }
}

/// The name of something that another file speaks of, and where it was said. Equal when the names are.
public struct PlacedName: Sendable, Equatable {
    public var name: String
    public var position: SourcePosition

    public init(_ name: String, at position: SourcePosition) {
        self.name = name
        self.position = position
    }

    public static func == (a: PlacedName, b: PlacedName) -> Bool { a.name == b.name }
}

/// A certificate chain and its key.
public struct CertificateFiles: Sendable, Equatable {
    /// PEM: the certificate first, then those above it.
    public var chain: PlacedPath
    /// PEM.
    public var key: PlacedPath
    /// A DER file with an OCSP response to staple.
    public var ocsp: PlacedPath?

    public init(chain: PlacedPath, key: PlacedPath, ocsp: PlacedPath? = nil) {
        self.chain = chain
        self.key = key
        self.ocsp = ocsp
    }
}

/// Which versions of TLS are spoken.
public enum TLSProfileName: String, Sendable, CaseIterable {
    /// 1.2 and 1.3.
    case intermediate
    /// 1.3 only.
    case modern
}

extension Fields {
    /// A path that has to be there for the whole to make sense, or nil with a report.
    func neededPath(_ key: String) -> PlacedPath? {
        if !has(key) { diagnostics.error(at: position, "\(what) needs '\(key)'") }
        return path(key)
    }

    func path(_ key: String) -> PlacedPath? {
        value(key).flatMap { value in
            value.string(key, diagnostics).map { PlacedPath($0, at: value.position) }
        }
    }

    func profile(_ key: String) -> TLSProfileName? {
        choice(key, TLSProfileName.allCases.map(\.rawValue)).flatMap { TLSProfileName(rawValue: $0) }
    }
}
