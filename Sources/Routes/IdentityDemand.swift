/// What the stage `identify` wants of whoever asks (SPEC A-1).
public struct IdentityDemand: Sendable, Hashable, CustomStringConvertible {
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        /// A valid token.
        case required
        /// A valid token, or none at all; an invalid one is refused.
        case optional
        /// A client certificate, or a token of a service.
        case serviceIdentity = "service-identity"
        /// Whoever has no token is told from others by a session id.
        case anonymousSession = "anonymous-session"
    }

    public var mode: Mode

    public var description: String { mode.rawValue }
}
