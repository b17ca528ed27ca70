public import Exchanges

/// `authorize`: may this principal do this? On what is known so far: the answer may be that the body has to be looked
/// at, or that only the object's holder can say. What no rule allows is refused.
public enum Authorize {
    public enum Decision: Sendable, Equatable {
        case allowed(rule: UInt16)
        /// - `rule`: nil = no rule allows it.
        /// - `lacksScope`: with further scopes one would.
        case denied(rule: UInt16?, lacksScope: Bool)
        case needsBody
        /// At least one grant; any of them will do.
        case needsObject(ObjectAccess)
    }

    /// - Parameter names: does the request name this subject as the owner? Nil = that stands in the body, which is not
    ///   here yet. Asked for parameters and fields only. The last argument is the answer where the body says it in
    ///   a way that others could read otherwise: nobody gets in by that, and nobody gets past a refusal.
    public static func decide(
        _ policy: borrowing AccessPolicy, _ principal: Principal, names: (AccessRule.Owner, Principal, Bool) -> Bool?
    ) -> Decision {
        var denialNeedsBody = false
        for i in policy.denials.indices where policy.denials[i].fits(principal) && policy.denials[i].hasScopes(principal) {
            switch isOwner(policy.denials[i].owner, principal, unclear: true, names) {
            case true?: return .denied(rule: policy.denials[i].number, lacksScope: false)
            case false?: continue
            case nil: denialNeedsBody = true
            }
        }
        var grantNeedsBody = false
        var lacksScope = false
        var object = ObjectAccess([])
        for i in policy.grants.indices where policy.grants[i].fits(principal) {
            let owner = policy.grants[i].owner
            let isOwner = isOwner(owner, principal, unclear: false, names)
            if isOwner == false { continue }
            guard policy.grants[i].hasScopes(principal) else {
                lacksScope = true
                continue
            }
            if isOwner == nil {
                grantNeedsBody = true
            } else if owner == .object || !policy.grants[i].states.isEmpty {
                let subject = owner == .object ? principal.subject : nil
                object.grants.append(.init(owner: subject, states: policy.grants[i].states, rule: policy.grants[i].number))
            } else {
                return denialNeedsBody ? .needsBody : .allowed(rule: policy.grants[i].number)
            }
        }
        if grantNeedsBody { return .needsBody }
        if object.grants.isEmpty { return .denied(rule: nil, lacksScope: lacksScope) }
        return denialNeedsBody ? .needsBody : .needsObject(object)
    }

    /// Nobody owns anything without a name.
    private static func isOwner(
        _ owner: AccessRule.Owner, _ principal: Principal, unclear: Bool,
        _ names: (AccessRule.Owner, Principal, Bool) -> Bool?
    ) -> Bool? {
        switch owner {
        case .anyone: true
        case .object: !principal.subject.isEmpty
        case .parameter, .field: principal.subject.isEmpty ? false : names(owner, principal, unclear)
        }
    }
}

extension AccessRule {
    /// Does everything hold that the head says, but for scopes and the owner?
    fileprivate func fits(_ principal: Principal) -> Bool {
        (kinds == 0 || kinds & AccessRule.bit(principal.kind) != 0)
            && (roles.isEmpty || roles.contains { principal.roles.contains($0) })
            && (issuers.isEmpty || issuers.contains(principal.issuer))
            && (subjects.isEmpty || !principal.subject.isEmpty && subjects.contains(principal.subject))
            && claims.allSatisfy { claim in
                principal.claims.contains { $0.name == claim.name && claim.values.contains($0.value) }
            }
    }

    fileprivate func hasScopes(_ principal: Principal) -> Bool { scopes.allSatisfy { principal.scopes.contains($0) } }
}
