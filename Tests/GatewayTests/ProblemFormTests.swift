import EventCore
import Exchanges
import Pipeline
import Testing
import WireGRPC

@testable import Gateway

/// The gateway's own errors as gRPC calls see them: SPEC 26, for every code.
@Suite struct ProblemFormTests {
    func exchange(_ dialect: Dialect, _ version: HTTPVersion = .http2) -> Exchange {
        let exchange = Exchange(ticket: Ticket(worker: 0, slot: 0, generation: 0))
        exchange.head.dialect = dialect
        exchange.head.version = version
        exchange.requestID = 0xabc
        exchange.correlationID.append(Array("mine".utf8).span)
        return exchange
    }

    static let table: [(Code, String)] = [
        (.ok, "0"), (.accepted, "0"), (.validationError, "3"), (.idempotencyKeyRequired, "3"), (.idempotencyKeyReused, "9"),
        (.requestInProgress, "10"), (.unauthenticated, "16"), (.forbidden, "7"), (.notFound, "5"), (.noRoute, "12"),
        (.methodNotAllowed, "12"), (.versionConflict, "10"), (.illegalState, "9"), (.tooLarge, "8"), (.rateLimited, "8"),
        (.upstreamUnavailable, "14"), (.badUpstream, "14"), (.deadline, "4"), (.cancelled, "1"), (.unsupported, "12"),
        (.internalError, "13"),
    ]

    @Test(arguments: table)
    func everyCode(_ code: Code, _ status: String) {
        let exchange = exchange(.grpc)
        let reply = Problem(Outcome(code, "50% \u{e4}"), exchange, fields: nil).reply()
        let lines = String(decoding: reply.fields, as: UTF8.self)
        #expect(reply.status == 200 && reply.body.isEmpty && reply.isHeadOnly && "\(reply.contentType)" == "application/grpc")
        #expect(lines.hasPrefix("grpc-status: \(status)\r\ngrpc-message: 50%25 %C3%A4\r\ngrpc-status-details-bin: "))
        #expect(exchange.grpcStatus.map(String.init) == status)
    }

    @Test func otherDialectsHaveOtherForms() {
        func reply(_ dialect: Dialect, _ version: HTTPVersion = .http2) -> LocalReply {
            Problem(Outcome(.notFound, "no"), exchange(dialect, version), fields: nil).reply()
        }
        for dialect in [Dialect.http, .soap, .eventStream, .webSocket] {
            #expect(reply(dialect).status == 404 && "\(reply(dialect).contentType)" == "application/problem+json")
        }
        #expect(reply(.grpc, .http11).status == 404)
        // An acknowledgement has room for a line.
        #expect(reply(.mqtt).outcome?.code == .notFound && reply(.mqtt).body == Array("no".utf8))
        #expect(reply(.grpcWeb, .http11).status == 200 && !reply(.grpcWeb, .http11).isHeadOnly)
        #expect("\(reply(.connect).contentType)" == "application/json" && reply(.connect).status == 404)
    }

    /// The name of a member that nobody knows is the client's.
    @Test func namesWithACardInThemAreMasked() {
        let field = Invalid.Field("/creditCard/4111 1111 1111 1111", "unknown member")
        for dialect in [Dialect.http, .connect, .grpcWeb] {
            let reply = Problem(.invalid, exchange(dialect), fields: [field]).reply()
            let said = String(decoding: reply.body + reply.fields, as: UTF8.self)
            #expect(!said.contains("4111") && (dialect != .http || said.contains(#""/creditCard/****-****-****-1111""#)))
        }
    }

    /// What comes too late to be the answer does not change what is recorded.
    @Test func aSecondAnswerRecordsNothing() {
        let exchange = exchange(.grpc)
        exchange.status = 200
        exchange.grpcStatus = 0
        _ = Problem(Outcome(.internalError), exchange, fields: nil).reply()
        #expect(exchange.grpcStatus == 0)
    }

    @Test func resetsAndFaultsHaveStatuses() {
        let table: [(UpstreamFault, UInt32)] = [
            (.refused, 14), (.connectTimeout, 14), (.tlsCertificate, 14), (.tlsProtocol, 14), (.tlsTimeout, 14), (.unresolved, 14),
            (.saturated, 14), (.unprocessed, 14), (.terminated, 14), (.incomplete, 14), (.protocolError, 13), (.timeout, 4),
            (.streamCancelled, 1), (.streamUnwelcome, 8), (.streamInsecure, 7), (.streamReset, 13),
        ]
        for (fault, status) in table { #expect(GRPCStatus(fault.outcome).rawValue == status, "\(fault)") }
    }
}
