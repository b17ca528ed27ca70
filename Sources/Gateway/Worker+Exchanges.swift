import EventCore
import Exchanges
import Identity
import Pipeline
import Policies
import Reactor
import Routes
import Settings
import Synchronization
import Telemetry
import WireHTTP

/// The way of an exchange on its worker: taken, matched, admitted, dispatched, recorded, given back.
extension Worker {
    // MARK: - Slots

    func takeExchange(wire: any Wire) -> Exchange {
        let exchange: Exchange
        if let slot = freeExchanges.popLast() {
            exchange = exchanges[Int(slot)]
        } else {
            exchange = Exchange(ticket: Ticket(worker: index, slot: UInt32(exchanges.count), generation: 0))
            exchanges.append(exchange)
        }
        exchange.wire = wire
        exchange.startedNS = loop.nowNS
        exchange.requestID = identifiers.next()
        exchange.era = currentEra
        eras[Int(currentEra)]?.exchanges += 1
        meters.count(.streamsOpened)
        return exchange
    }

    /// The exchange a ticket was given for, while it lives.
    func exchange(_ ticket: Ticket) -> Exchange? {
        guard ticket.worker == index, Int(ticket.slot) < exchanges.count else { return nil }
        let exchange = exchanges[Int(ticket.slot)]
        return exchange.ticket == ticket && exchange.wire != nil ? exchange : nil
    }

    /// The same, for one that has waited for its turn: it may have been refused meanwhile, and live on only
    /// until its client has taken that answer.
    func unanswered(_ ticket: Ticket) -> Exchange? {
        guard let exchange = exchange(ticket), exchange.status == 0 else { return nil }
        return exchange
    }

    /// Gives an exchange back that never became a request.
    func discard(_ exchange: Exchange) {
        let era = exchange.era
        if !exchange.charges.isEmpty { settleCharges(exchange) }
        if exchange.affinity.word != .none { settleAffinity(exchange) }
        replay.lose(exchange)
        freeExchanges.append(exchange.ticket.slot)
        exchange.recycle()
        eras[Int(era)]?.exchanges -= 1
        meters.count(.streamsClosed)
        retireIfOver(era)
    }

    // MARK: - Admission

    func era(of exchange: Exchange) -> Era {
        // An era lives as long as one of its exchanges.
        guard let era = eras[Int(exchange.era)] else { preconditionFailure("an exchange outlived its era") }
        return era
    }

    /// A request's head is complete and normalised: correlate, match, and enter the pipeline.
    func admit(_ exchange: Exchange, session: Session, upgrade: Bool) {
        guard let text = exchange.text else { return }
        let era = era(of: exchange)
        let match: Match = text.withReadable { text in
            identify(exchange, text)
            // Before anybody looks at the fields.
            era.identity.reserved.strip(&exchange.head.fields, in: text)
            return matched(exchange, in: text, era.table, session)
        }
        if exchange.head.verb == .options, answersPreflight(exchange, era: era, session) { return }
        switch match {
        case .route(let index):
            exchange.route = index
            exchange.rule = era.table.rules[Int(index)]
        case .methodNotAllowed(let methods):
            let allow = Buffer(capacity: 64)
            era.table.appendAllow(methods, into: allow)
            var problem = Problem(
                Outcome(.methodNotAllowed, "this path does not take this method"), exchange, fields: nil)
            problem.allow = allow.copyReadable()
            exchange.wire?.answer(problem.reply(), of: exchange)
            return
        case .none:
            exchange.wire?.answer(Outcome(.noRoute, "no route matches this request"), of: exchange)
            return
        }
        exchange.target = exchange.rule.targetWithFlagsOff
        if exchange.head.dialect.callsGRPC || exchange.rule.call != Rule.none {
            if let refusal = takeLane(exchange, era: era) {
                exchange.wire?.answer(refusal, of: exchange)
                return
            }
        }
        // Bytes of a body and bytes of a tunnel could be taken for each other: an upgrade has no body here.
        exchange.wantsUpgrade = upgrade && exchange.rule.upgrade && exchange.requestBody == .none
        if case .known(let length) = exchange.requestBody, length > exchange.rule.bodyLimit {
            exchange.wire?.answer(
                Outcome(.tooLarge, "the request body is larger than this route allows"), of: exchange)
            return
        }
        if exchange.rule.timeouts.streamMax > 0 {
            exchange.end(byMS: loop.nowMS + UInt64(exchange.rule.timeouts.streamMax))
        }
        advance(exchange, session: session, era: era)
    }

    /// May a trailer of the request go upstream? What clients cannot say in front they cannot say behind either.
    func isForwardable(trailer: Field, _ text: borrowing Span<UInt8>, of exchange: Exchange) -> Bool {
        HTTP1Encoder.isForwardable(trailer: trailer) && !era(of: exchange).identity.reserved.contains(trailer, text)
    }

    /// The exchange's names: correlation id and trace (SPEC O-4, O-5).
    private func identify(_ exchange: Exchange, _ text: borrowing Span<UInt8>) {
        var parent: TraceContext?
        for i in exchange.head.fields.indices {
            let field = exchange.head.fields[i]
            switch field.name {
            case .correlationID, .xCorrelationID:
                let value = text.extracting(field.value.range)
                if exchange.correlationID.isEmpty && Identifiers.isAcceptable(correlationID: value) {
                    exchange.correlationID.append(value)
                }
            case .traceparent: parent = TraceContext.parse(text.extracting(field.value.range))
            case .contentType where exchange.head.verb == .post:
                exchange.head.dialect = Dialect(contentType: text.extracting(field.value.range))
            default: break
            }
        }
        if exchange.correlationID.isEmpty { identifiers.appendCorrelationID(to: exchange.correlationID) }
        exchange.continuesTrace = parent != nil
        exchange.trace = identifiers.trace(parent: parent, threshold: shared.traceThreshold)
    }

    /// Runs the stages that are left.
    func advance(_ exchange: Exchange, session: Session) { advance(exchange, session: session, era: era(of: exchange)) }

    private func advance(_ exchange: Exchange, session: Session, era: Era) {
        let shielded = exchange.rule.stages.contains(StageSet(.shield))
        let admitted = admission.advance(
            exchange, table: era.table, peer: shielded ? clientAddress(exchange, session) : session.peer,
            policy: era.policies[Int(exchange.route)], now: loop.nowNS, stages: self)
        if let mark = exchange.trail[.shield], mark.word != .waited, !exchange.bodyComplete {
            meters.count(mark.word == .passed ? .limitsAllowed : .limitsRefused)
        }
        switch admitted {
        case .dispatch: dispatch(exchange, session: session, era: era)
        case .refused(let outcome) where exchange.trail.refusedBy == .inspect:
            exchange.wire?.answer(Problem(outcome, exchange, fields: inspected).reply(), of: exchange)
        case .refused(let outcome): exchange.wire?.answer(outcome, of: exchange)
        case .parked(.collect): collect(exchange)
        // Whoever it waits for wakes it, and within a time of its own.
        case .parked:
            exchange.isParked = true
            watch(exchange)
        }
    }

    /// What the exchange waited for is there, or will not come: its stage is asked again.
    func wake(_ ticket: Ticket) {
        // Only once: two may wake it, and who has gone on must not be sent on again.
        guard let exchange = unanswered(ticket), let wire = exchange.wire, exchange.isParked else { return }
        exchange.isParked = false
        advance(exchange, session: wire.session)
        wire.flush()
    }

    /// The rest of the pipeline, or the target, needs the whole body.
    private func collect(_ exchange: Exchange) {
        exchange.body = Buffer(capacity: Int(min(exchange.requestBody.bytes ?? 4096, 65_536)) + 1)
        watch(exchange)
        exchange.wire?.resumeBody(of: exchange)
    }

    /// All of the request's body has come: its origin hears so, or the pipeline goes on with what was collected.
    func bodyComplete(_ exchange: Exchange, received: UInt64, trailers: Buffer?, session: Session) {
        if let origin = exchange.origin {
            origin.endBody(trailers: trailers)
            origin.flush()
        } else {
            exchange.bodyComplete = true
            // Whatever way it came, it goes on with the length it turned out to have.
            exchange.requestBody = .known(received)
            // A transcoded route may still take the request as it is; calls are calls on either side of a flag.
            if exchange.rule.call == Rule.none, let translation = exchange.translation, !translation.prepare(exchange) {
                return
            }
            if exchange.rule.isGRPC, let refusal = flatten(exchange) {
                exchange.wire?.answer(refusal, of: exchange)
                return
            }
            advance(exchange, session: session)
        }
    }

    /// Who the client is: the peer, or, behind a trusted proxy, the right-most address in
    /// X-Forwarded-For that is not a trusted proxy itself.
    func clientAddress(_ exchange: Exchange, _ session: Session) -> (high: UInt64, low: UInt64) {
        guard session.trusted, let text = exchange.text else { return session.peer }
        let port = ports[Int(session.listener)]
        return text.withReadable { text in
            ForwardedFor.client(of: exchange.head, in: text, trusts: port.trusts) ?? session.peer
        }
    }

    // MARK: - Targets

    private func dispatch(_ exchange: Exchange, session: Session, era: Era) {
        if exchange.head.verb == .publish, let permission = exchange.wire as? MQTTPermission { return permission.allow() }
        if exchange.head.verb == .publish, case .upstream = exchange.target, !isForClusters(exchange) {
            exchange.wire?.answer(Outcome(.validationError, "a topic with the level . or .. goes to no cluster"), of: exchange)
            return
        }
        if case .upstream = exchange.target, exchange.repeatKey != nil, exchange.repeatFence == nil {
            return claim(exchange, era: era)
        }
        // Who has his answer may be gone at once.
        let (ticket, key, fence) = (exchange.ticket, exchange.repeatKey, exchange.repeatFence)
        guard isTranslated(exchange) else { return releaseClaim(ticket, key, fence) }
        switch exchange.target {
        case .upstream(let index) where exchange.repeatFence != nil: proxyOnce(exchange, session, by: era.clusters[Int(index)])
        case .upstream(let index): proxy(exchange, session, era, by: era.clusters[Int(index)], avoiding: nil, hasPlace: false)
        case .command(let index): command(Int(index), exchange, era: era)
        case .anyCommand(let capture): anyCommand(Int(capture), exchange, era: era)
        case .query where exchange.head.verb == .subscribe && exchange.access == nil: topics(exchange)
        case .query(let index): query(Int(index), exchange, era: era)
        case .fixed(let index): exchange.wire?.answer(era.fixedReplies[Int(index)], of: exchange)
        case .operation(let operation): answer(operation, exchange, era: era)
        case .topics: topics(exchange)
        }
    }

    private func answer(_ operation: Operation, _ exchange: Exchange, era: Era) {
        switch operation {
        case .live: exchange.wire?.answer(LocalReply(status: 200, body: Array(#"{"status":"UP"}"#.utf8)), of: exchange)
        case .ready:
            exchange.wire?.answer(
                LocalReply(
                    status: isReady ? 200 : 503,
                    body: Array((isReady ? #"{"status":"UP"}"# : #"{"status":"OUT_OF_SERVICE"}"#).utf8)), of: exchange)
        case .sagas: askDesk(.sagas, exchange, era: era)
        case .deadLetters: askDesk(.deadLetters, exchange, era: era)
        case .flags: askDesk(.flags, exchange, era: era)
        case .revocations: askDesk(.revocations, exchange, era: era)
        case .mqtt: askDesk(.mqtt, exchange, era: era)
        case .openAPI:
            let known = hasAlready(era.contracts.apiVersion, exchange)
            let tag = EntityTag.field(era.contracts.apiVersion)
            exchange.wire?.answer(known ? LocalReply(status: 304, body: [], fields: tag) : era.contracts.apiReply, of: exchange)
        case .grpcHealth: HealthCall(self).begin(exchange)
        case .grpcReflection: ReflectionCall(self, era: era).begin(exchange)
        case .metrics:
            let format: Exposition =
                exchange.text?.withReadable { text in
                    guard let accept = exchange.head.first(.accept) else { return .prometheus }
                    return Exposition.choose(accept: text.extracting(accept.value.range))
                } ?? .prometheus
            // Adding up and rendering takes a while: not on a worker.
            Task.detached { [ticket = exchange.ticket, shared, mailbox] in
                let page = Buffer(capacity: 64 << 10)
                format.render(shared.meters.families(), into: page)
                let reply = LocalReply(status: 200, contentType: format.contentType, body: page.copyReadable())
                _ = mailbox.post(.local(ticket, reply))
            }
        case .upstreams:
            exchange.wire?.answer(LocalReply(status: 200, body: shared.upstreams.report(nowMS: loop.nowMS)), of: exchange)
        case .routes:
            exchange.wire?.answer(
                LocalReply(
                    status: 200, contentType: "text/plain; charset=utf-8", body: Array(era.table.render().utf8)),
                of: exchange)
        }
    }

    /// Takes traffic, and will go on doing so.
    var isReady: Bool { shared.ready.load(ordering: .relaxed) && !isDraining }

    /// Edits of the answer's head that the exchange's route asks for.
    func responseEdits(of exchange: Exchange) -> HeaderEditing? {
        guard exchange.route != Rule.none, exchange.rule.headerEdits != Rule.none else { return nil }
        let table = era(of: exchange).table
        return HeaderEditing(table: table, run: table.headerEdits[Int(exchange.rule.headerEdits)].response)
    }

    // MARK: - The end

    /// The exchange is over: record it, once, and take it back.
    func finish(_ exchange: Exchange) {
        let era = era(of: exchange)
        let label = exchange.route == Rule.none ? unroutedLabel(of: exchange, era) : era.routeLabels[Int(exchange.route)]
        let took = loop.nowNS &- exchange.startedNS
        meters.record(
            exchange.head.dialect, route: label, status: exchange.recordedStatus, nanoseconds: took, bytesIn: exchange.bytesIn,
            bytesOut: exchange.bytesOut)
        if let side = FlagSide(exchange.arm) {
            let ending = FlagEnding(status: exchange.status, grpcStatus: exchange.grpcStatus)
            meters.record(flag: era.flagLabels[Int(exchange.rule.flag)], side, ending, nanoseconds: took)
        }
        let decision = decision(of: exchange, era)
        if let decision {
            meters.count(decision.isAllowed, policy: era.accessLabels[Int(exchange.rule.access)])
        }
        if let accessLog { log(exchange, decision, to: accessLog, took: took, era: era) }
        discard(exchange)
    }

    private func unroutedLabel(of exchange: Exchange, _ era: Era) -> LabelTable.ID {
        exchange.wire?.isNull == true ? era.outbound : era.unrouted
    }

    private func unroutedName(of exchange: Exchange) -> [UInt8] {
        exchange.wire?.isNull == true ? Array("outbound".utf8) : []
    }

    private static let publish = Array("PUBLISH".utf8)

    private func log(_ exchange: Exchange, _ decision: DecisionFacts?, to accessLog: RequestLog, took: UInt64, era: Era) {
        guard let text = exchange.text else { return }
        let facts = AccessFacts(
            realtimeNS: WallClock.nowNS(), dialect: exchange.head.dialect, status: exchange.status,
            trace: exchange.trace, requestID: exchange.requestID, bytesIn: exchange.bytesIn,
            bytesOut: exchange.bytesOut, nanoseconds: took, refusedBy: exchange.trail.refusedBy,
            grpcStatus: exchange.grpcStatus, arm: FlagSide(exchange.arm))
        let flag = exchange.arm == .none ? [] : era.flagNames[Int(exchange.rule.flag)]
        let route = exchange.route == Rule.none ? unroutedName(of: exchange) : era.routeNames[Int(exchange.route)]
        let peer = exchange.wire?.session.peerText ?? []
        let principal = exchange.loggedPrincipal
        let endpoint = exchange.endpoint
        text.withReadable { text in
            exchange.correlationID.withReadable { correlation in
                let agent = exchange.head.first(.userAgent)?.value ?? .none
                // Upstreams are sent it as POST.
                let isPublish = exchange.head.verb == .publish
                accessLog.append(
                    facts, nowNS: loop.nowNS,
                    method: isPublish ? Self.publish.span : text.extracting(exchange.head.method.range),
                    path: text.extracting(exchange.head.path.range), correlationID: correlation, route: route.span,
                    upstream: endpoint.span, peer: peer.span, principal: principal.span,
                    userAgent: text.extracting(agent.range), decision: decision, flag: flag.span)
            }
        }
    }
}

extension Exchange {
    /// Who asked, as the log may know it: the id of a session is as good as a password, and is not written down.
    var loggedPrincipal: [UInt8] {
        guard let principal else { return wire?.session.certificateName ?? [] }
        switch principal.kind {
        case .user, .service: return principal.subject
        case .anonymous, .session: return []
        }
    }
}

extension FlagSide {
    /// Nil where there is no flag.
    fileprivate init?(_ arm: Arm) {
        switch arm {
        case .none: return nil
        case .control: self = .control
        case .candidate: self = .candidate
        }
    }
}
