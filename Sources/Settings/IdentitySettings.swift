/// Who is believed, and by which keys (docs/identity.md).
public struct IdentitySettings: Sendable, Equatable {
    public var issuers: [IssuerSettings] = []
    /// Names of client certificates that are services; `*` stands for anything.
    public var services = ["*"]
    public var session = Session()
    /// Verified tokens that each worker remembers.
    public var tokensInMemory = 65_536

    /// Where an anonymous session's id is.
    public struct Session: Sendable, Equatable {
        public var cookie = "nexus_session"
        public var header = "x-session-id"
        public init() {}
    }

    public static let mostIssuers = 64
    public static let mostHeaders = 32
    public static let mostClaims = 32

    public init() {}
}

/// One issuer of tokens.
public struct IssuerSettings: Sendable, Equatable {
    /// What logs, metrics and policies call it.
    public var name: String
    /// `iss`, compared exactly.
    public var issuer: String
    /// One of them must be in `aud`; empty = any.
    public var audiences: [String] = []
    /// As `alg` spells them.
    public var algorithms: [String] = []
    public var keys = Keys.file(PlacedPath("", at: SourcePosition(file: "")))
    public var type = TokenType.any
    /// Milliseconds by which clocks may differ.
    public var leeway: UInt32 = 30_000
    public var roles = ClaimPath("roles")
    public var scopes = ClaimPath("scope")
    /// Nil = its tokens are never services'.
    public var service: ServiceClaim?
    /// Further claims that policies and flags may look at.
    public var claims: [ClaimPath] = []
    /// Claims that go upstream as request fields; names in lower case.
    public var headers: [Header] = []
    /// Does the token itself go upstream?
    public var forward = true

    public enum Keys: Sendable, Equatable {
        case file(PlacedPath)
        case remote(RemoteKeys)
    }

    public enum TokenType: String, Sendable, CaseIterable {
        /// `typ` is absent or JWT.
        case jwt = "jwt"
        /// RFC 9068.
        case accessToken = "at+jwt"
        case any = "any"
    }

    /// A token is a service's when this claim has one of these values.
    public struct ServiceClaim: Sendable, Equatable {
        public var claim: ClaimPath
        public var values: [String]
        public init(claim: ClaimPath, values: [String]) {
            self.claim = claim
            self.values = values
        }
    }

    public struct Header: Sendable, Equatable {
        public var name: String
        public var claim: ClaimPath
        public init(name: String, claim: ClaimPath) {
            self.name = name
            self.claim = claim
        }
    }

    /// RFC 7518's names and RFC 8037's.
    public static let algorithmNames = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    ]

    public init(name: String, issuer: String) {
        self.name = name
        self.issuer = issuer
    }
}

/// Keys that an issuer publishes; milliseconds.
public struct RemoteKeys: Sendable, Equatable {
    public var cluster: String
    public var path: String
    public var refresh: UInt32 = 300_000
    public var timeout: UInt32 = 2_000
    /// How long the last good set is believed while no new one can be had.
    public var stale: UInt32 = 86_400_000

    public init(cluster: String, path: String) {
        self.cluster = cluster
        self.path = path
    }
}

/// Where a claim stands: a name, or a JSON Pointer (RFC 6901) where the text begins with `/`.
public struct ClaimPath: Sendable, Hashable, CustomStringConvertible {
    public let description: String
    /// The names on the way, from the outside in; at least one.
    public let names: [String]

    /// The claim with this name.
    public init(_ name: String) {
        description = name
        names = [name]
    }

    /// Nil for what is neither.
    public init?(parsing text: String) {
        guard !text.isEmpty, text.utf8.count <= 256 else { return nil }
        description = text
        guard text.utf8.first == 0x2f else {
            names = [text]
            return
        }
        var names: [String] = []
        for segment in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let name = Self.unescaped(segment) else { return nil }
            names.append(name)
        }
        guard names.count <= 8 else { return nil }
        self.names = names
    }

    private static func unescaped(_ segment: Substring) -> String? {
        var out = ""
        var rest = segment[...]
        while let next = rest.popFirst() {
            guard next == "~" else {
                out.append(next)
                continue
            }
            switch rest.popFirst() {
            case "0": out.append("~")
            case "1": out.append("/")
            default: return nil
            }
        }
        return out
    }
}
