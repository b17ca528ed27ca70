import Exchanges
import Identity
import Pipeline
import Policies
import Reactor
import Routes

/// The stage `identify` (SPEC A-1): who asks. A token decides, where there is one; then a client certificate; then,
/// where the route says so, a session.
extension Worker {
    private enum Found {
        case principal(Principal)
        case fault(CredentialFault)
        /// The keys of its issuer are on their way.
        case wait
    }

    func identify(_ exchange: Exchange) -> Verdict {
        guard let text = exchange.text, let session = exchange.wire?.session else { return refuse(.missing) }
        let era = era(of: exchange)
        let mode = era.table.identities[Int(exchange.rule.identity)].mode
        if let known = exchange.sessionPrincipal { return identify(exchange, as: known, mode) }
        let found: Found = text.withReadable { text in
            switch BearerField(exchange.head, in: text) {
            case .token(let place): principal(of: text.extracting(place.range), exchange, era)
            case .malformed: .fault(.badField)
            case .absent: withoutToken(exchange, mode, session, text, era)
            }
        }
        switch found {
        case .principal(let principal):
            if mode == .serviceIdentity, principal.kind != .service { return refuse(.notService) }
            accept(principal, exchange)
            return .proceed
        case .fault(let fault): return refuse(fault)
        case .wait:
            identification.tally.count(.waited)
            return .park
        }
    }

    /// Who it is was settled when its connection was opened. That this has ended is the connection's end, and not looked at
    /// for each of its messages.
    private func identify(_ exchange: Exchange, as principal: Principal, _ mode: IdentityDemand.Mode) -> Verdict {
        switch mode {
        case .required where !principal.isFromToken: return refuse(.missing)
        case .serviceIdentity where principal.kind != .service: return refuse(.notService)
        case .anonymousSession where principal.kind == .anonymous: return refuse(.missing)
        case .required, .serviceIdentity, .anonymousSession, .optional: break
        }
        accept(principal, exchange)
        return .proceed
    }

    private func accept(_ principal: Principal, _ exchange: Exchange) {
        switch principal.kind {
        case .user: identification.tally.count(.user)
        case .service: identification.tally.count(.service)
        case .session: identification.tally.count(.session)
        case .anonymous: identification.tally.count(.anonymous)
        }
        exchange.principal = principal
        if principal.isFromToken { leases.watch() }
    }

    private func refuse(_ fault: CredentialFault) -> Verdict {
        identification.tally.count(fault)
        return .answer(fault.outcome)
    }

    // MARK: - Tokens

    private func principal(of token: borrowing Span<UInt8>, _ exchange: Exchange, _ era: Era) -> Found {
        let nowMS = UInt64(max(0, WallClock.nowNS())) / 1_000_000
        if let entry = identification.tokens.find(token, nowMS: nowMS), case .believed(let principal) = entry.verdict {
            identification.tally.count(.cacheHit)
            return entry.isRevoked(principal, shared.revocations) ? .fault(.revoked) : .principal(principal)
        }
        if let entry = identification.refused.find(token, nowMS: nowMS), case .refused(let fault) = entry.verdict {
            identification.tally.count(.cacheHit)
            return .fault(fault)
        }
        identification.tally.count(.cacheMiss)
        return verify(token, exchange, era, nowMS)
    }

    private func verify(_ token: borrowing Span<UInt8>, _ exchange: Exchange, _ era: Era, _ nowMS: UInt64) -> Found {
        // Once more if its keys change at this very moment; they do not do that often.
        for _ in 0..<3 {
            let revocations = shared.revocations.version
            let asked: IssuerDirectory.Asking
            switch TokenVerifier.verify(token.extracting(0..<token.count), issuers: era.issuers, nowMS: nowMS) {
            case .believed(let principal, let issuer, let keys):
                if shared.revocations.isRevoked(principal) { return .fault(.revoked) }
                identification.tokens.insert(
                    TokenCache.Entry(
                        token.bytes, .believed(principal), untilMS: principal.expiresMS, issuer: issuer, keys: keys,
                        revocations: revocations))
                return .principal(principal)
            case .refused(let fault, let issuer, let keys):
                // Its time may be about to come.
                if fault != .notYetValid {
                    identification.refused.insert(
                        TokenCache.Entry(
                            token.bytes, .refused(fault), untilMS: nowMS + Identification.refusedMS, issuer: issuer,
                            keys: keys, revocations: revocations))
                }
                return .fault(fault)
            case .unknownKey(let keyID, let issuer, let keys):
                asked = .init(issuer: issuer, keyID: shared.hash(keyID.span), keys: keys, fault: .unknownKey)
            case .noKeys(let issuer, let keys): asked = .init(issuer: issuer, keyID: 0, keys: keys, fault: .noKeys)
            }
            switch shared.issuers.ask(asked, ticket: exchange.ticket) {
            case .wait: return .wait
            case .changed: continue
            case .no: return .fault(asked.fault)
            }
        }
        return .fault(.noKeys)
    }

    // MARK: - Others

    private func withoutToken(
        _ exchange: Exchange, _ mode: IdentityDemand.Mode, _ session: Session, _ text: borrowing Span<UInt8>, _ era: Era
    ) -> Found {
        if mode == .required { return .fault(.missing) }
        if era.identity.isService(certificate: session.certificateName) {
            return .principal(identification.service(named: session.certificateName))
        }
        switch mode {
        case .required, .serviceIdentity: return .fault(.missing)
        case .optional: return .principal(.anonymous)
        case .anonymousSession:
            switch era.identity.session.find(exchange.head, in: text) {
            case .id(let place):
                return .principal(era.identity.session.principal(text.extracting(place.range).bytes, isNew: false))
            case .malformed: return .fault(.badSession)
            case .none:
                exchange.isNewSession = true
                return .principal(era.identity.session.principal(Self.newSessionID(), isNew: true))
            }
        }
    }

    /// 128 bits of the system's random source.
    private static func newSessionID() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        let id = Buffer(capacity: 32)
        id.append(hex: random.next(), digits: 16)
        id.append(hex: random.next(), digits: 16)
        return id.copyReadable()
    }
}

extension TokenCache.Entry {
    /// Looked for among the revocations only when those have changed since.
    fileprivate func isRevoked(_ principal: Principal, _ revocations: Revocations) -> Bool {
        let now = revocations.version
        guard now != checkedAgainst else { return false }
        if revocations.isRevoked(principal) { return true }
        checkedAgainst = now
        return false
    }
}
