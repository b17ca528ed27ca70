public import Exchanges

/// A browser asks, before a request, whether a page may make it (Fetch standard, "CORS-preflight fetch").
public struct Preflight: Sendable, Hashable {
    /// Index of the route that the request itself would take.
    public var route: UInt16
    public var verdict: CORSPolicy.Verdict
    /// The method that is asked for.
    public var method: Slice
}

extension RouteTable {
    /// The preflight this request is, if a route has the rules to answer it.
    ///
    /// The route is the one for the method that is asked for, at the same path. Routes whose match names
    /// OPTIONS keep such requests for themselves. Of a preflight only its own fields are known: a route with
    /// conditions on fields that browsers add later cannot be found. A POST may be a call: at the address of a
    /// gRPC method it is taken for one.
    public func preflight(_ head: borrowing Head, in text: borrowing Span<UInt8>, listener: UInt16) -> Preflight? {
        guard !cors.isEmpty, head.verb == .options, let origin = head.first(.origin),
            let method = head.first(named: Self.requestMethod, in: text), !method.value.isEmpty
        else { return nil }
        var captures = Captures()
        if case .route(let own) = match(head, in: text, listener: listener, captures: &captures),
            routes[Int(own)].methods.contains("OPTIONS")
        {
            return nil
        }
        let name = text.extracting(method.value.range)
        var asked = copy head
        asked.method = method.value
        asked.verb = Verb(token: name)
        asked.dialect = asked.verb == .post ? .grpcWeb : .http
        guard case .route(let number) = match(asked, in: text, listener: listener, captures: &captures),
            let policy = cors(of: rules[Int(number)])
        else { return nil }
        var verdict = CORSPolicy.Verdict.allowed
        if !hasOneOrigin(head) || !policy.allows(origin: text.extracting(origin.value.range)) {
            verdict = .origin
        } else if !policy.allows(method: name) {
            verdict = .method
        } else {
            for field in head.fields where text.extracting(field.nameText.range).equalsIgnoringCase(Self.requestHeaders) {
                if !policy.allows(headers: text.extracting(field.value.range)) { verdict = .header }
            }
        }
        return Preflight(route: number, verdict: verdict, method: method.value)
    }

    /// The CORS rules of a route, or nil.
    public func cors(of rule: Rule) -> CORSPolicy? { rule.cors == Rule.none ? nil : cors[Int(rule.cors)] }

    private func hasOneOrigin(_ head: borrowing Head) -> Bool { head.fields.count { $0.name == .origin } == 1 }

    private static let requestMethod = Array("access-control-request-method".utf8)
    private static let requestHeaders = Array("access-control-request-headers".utf8)
}

extension Verb {
    /// The method with this token; `.other` for any that has no name here.
    fileprivate init(token: borrowing Span<UInt8>) {
        self = .other
        for verb in Verb.allCases {
            guard let known = verb.token else { continue }
            if token.equals(Array(known.utf8)) { self = verb }
        }
    }
}
