import Exchanges

/// A route's CORS rules, ready to be asked: the Fetch standard's "CORS protocol". Values of the answer's
/// fields are made once, here.
public final class CORSPolicy: Sendable {
    /// What a preflight comes to.
    public enum Verdict: Sendable, Hashable {
        case allowed
        /// Refused for this.
        case origin, method, header
    }

    private let origins: [OriginPattern]
    private let methods: [[UInt8]]
    private let headers: [[UInt8]]
    private let allowsAnyHeader: Bool
    /// Every origin gets the same answer, `*`: it does not vary.
    public let answersAnyOrigin: Bool
    public let allowsCredentials: Bool
    /// `Access-Control-Allow-Methods`; nil = the method that was asked for.
    public let allowMethods: [UInt8]?
    /// `Access-Control-Allow-Headers`; empty = none.
    public let allowHeaders: [UInt8]
    /// `Access-Control-Expose-Headers`; empty = none.
    public let exposeHeaders: [UInt8]
    /// `Access-Control-Max-Age`, seconds; empty = not said.
    public let maxAge: [UInt8]

    init(_ definition: CORSDefinition) {
        origins = definition.origins
        methods = definition.methods.map { Array($0.utf8) }
        headers = definition.headers.map { Array($0.utf8) }
        allowsAnyHeader = definition.headers.contains("*")
        answersAnyOrigin = definition.origins.contains(where: \.isAny)
        allowsCredentials = definition.credentials
        func list(_ names: [String]) -> [UInt8] { Array(names.joined(separator: ", ").utf8) }
        allowMethods = definition.methods.isEmpty ? nil : list(definition.methods)
        allowHeaders = list(definition.headers)
        exposeHeaders = list(definition.expose)
        maxAge = definition.maxAge.map { Array("\($0 / 1000)".utf8) } ?? []
    }

    /// May pages of this origin read the route's answers?
    /// - Parameter origin: the value of `Origin`, byte for byte.
    public func allows(origin: borrowing Span<UInt8>) -> Bool {
        for pattern in origins where pattern.matches(origin) { return true }
        return false
    }

    /// Methods are case-sensitive.
    func allows(method: borrowing Span<UInt8>) -> Bool {
        if methods.isEmpty { return true }
        for name in methods where method.equals(name) { return true }
        return false
    }

    /// - Parameter list: a value of `Access-Control-Request-Headers`: names with commas between them.
    func allows(headers list: borrowing Span<UInt8>) -> Bool {
        var start = 0
        while start <= list.count {
            var end = start
            while end < list.count, list[end] != 0x2c { end += 1 }
            var (from, to) = (start, end)
            while from < to, list[from] == 0x20 || list[from] == 0x09 { from += 1 }
            while to > from, list[to - 1] == 0x20 || list[to - 1] == 0x09 { to -= 1 }
            if from < to, !allows(header: list.extracting(from..<to)) { return false }
            start = end + 1
        }
        return true
    }

    /// The star of the Fetch standard does not stand for `Authorization`.
    private func allows(header name: borrowing Span<UInt8>) -> Bool {
        for i in 0..<name.count where !name[i].isTokenCharacter { return false }
        for own in headers where name.equalsIgnoringCase(own) { return true }
        return allowsAnyHeader && !name.equalsIgnoringCase("authorization")
    }
}
