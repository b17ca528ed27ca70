import EventCore
import Exchanges
import Pipeline
import Routes

/// Which request is a repetition of which (SPEC 4). For commands of the core the log looks it up when it decides, and
/// keeps the outcome in the transaction of the events.
extension Worker {
    /// The stage `replay`: whose key it is, for which operation. What is asked is known once it is decoded.
    func findRepetition(_ exchange: Exchange) -> Verdict {
        let era = era(of: exchange)
        let rule = era.table.repetitions[Int(exchange.rule.repetition)]
        guard let text = exchange.text, !exchange.head.verb.isSafe else { return .proceed }
        return text.withReadable { text in
            let key = IdempotencyKey.read(exchange.head, in: text)
            switch key {
            case .none:
                guard rule.isRequired else { return .proceed }
                return .answer(Outcome(.idempotencyKeyRequired, "this request needs an Idempotency-Key"))
            case .malformed:
                return .answer(
                    Outcome(.validationError, "Idempotency-Key must be given once, with 1 to 255 printable ASCII characters"))
            case .plain, .unescaped: break
            }
            var owner = RepeatDigest(shared.desks.repeatSecret)
            owner.add(exchange.principal)
            var digest = owner
            add(operationOf: exchange, in: text, era, to: &digest)
            switch key {
            case .plain(let place): digest.add(text.extracting(place))
            case .unescaped(let key): digest.add(key)
            case .none, .malformed: break
            }
            let kind = exchange.principal?.kind
            exchange.repeatKey = RepeatKey(
                identity: digest.finish(), owner: owner.finish(), isKnown: kind == .user || kind == .service,
                rejects: rule.rejects)
            return .proceed
        }
    }

    /// A command's name, which is the same in every protocol and on both sides of a flag; where only clusters are asked,
    /// the route's.
    private func add(
        operationOf exchange: Exchange, in text: borrowing Span<UInt8>, _ era: Era, to digest: inout RepeatDigest
    ) {
        switch exchange.rule.command {
        case .command(let index):
            digest.add(0 as UInt64)
            digest.add(Registry.commands[Int(index)])
        case .anyCommand(let place):
            digest.add(0 as UInt64)
            digest.add(captured(Int(place), exchange))
        case .upstream, .query, .fixed, .operation, .topics, nil:
            digest.add(1 as UInt64)
            digest.add(era.routeNames[Int(exchange.route)])
        }
    }

    /// The decoded request is what a repetition has to equal.
    func setFingerprint(of request: Request, expected: ExpectedVersion, _ exchange: Exchange) {
        guard exchange.repeatKey != nil else { return }
        var digest = RepeatDigest(shared.desks.repeatSecret)
        digest.add(request, expected: expected)
        exchange.repeatKey?.fingerprint = digest.finish()
    }
}

extension Rule {
    /// The core's side of the route, where it has one.
    var command: Target? {
        for side in [target, fallback] {
            switch side {
            case .command, .anyCommand: return side
            case .upstream, .query, .fixed, .operation, .topics, nil: break
            }
        }
        return nil
    }
}

extension RepeatDigest {
    /// Those who cannot be told from others are one: their keys are theirs as long as nobody guesses them.
    fileprivate mutating func add(_ principal: Principal?) {
        let principal = principal ?? .anonymous
        add(UInt64(principal.kind.rawValue))
        add(principal.issuer)
        add(principal.subject)
    }
}

extension LocalReply {
    /// Says that it is the first request's answer, where it is.
    func marked(asRepeated isRepeated: Bool) -> LocalReply {
        guard isRepeated else { return self }
        var reply = self
        reply.fields += Self.repeatedField
        return reply
    }

    private static let repeatedField = Array("Idempotent-Replayed: true\r\n".utf8)
}
