import Exchanges
import Pipeline
import Settings
import Synchronization
import Testing

@testable import Gateway

/// Questions to an agent outside: each once at a time, remembered for a while, and nothing but a plain answer counts.
@Suite(.timeLimit(.minutes(10))) struct PolicyAgentTests {
    /// Answers when it is told to.
    private final class Agent: CallOut {
        private let state = Mutex<(asked: [OutboundCall], waiting: [CheckedContinuation<OutboundAnswer, Never>])>(([], []))

        func call(_ call: OutboundCall) async -> OutboundAnswer {
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.asked.append(call)
                    state.waiting.append(continuation)
                }
            }
        }

        var asked: [OutboundCall] { state.withLock { $0.asked } }

        /// To the question that has waited longest.
        func answer(_ answer: OutboundAnswer) async {
            while true {
                let first = state.withLock { state in state.waiting.isEmpty ? nil : state.waiting.removeFirst() }
                if let first { return first.resume(returning: answer) }
                await Task.yield()
            }
        }
    }

    private final class Heard: Sendable {
        private let opinions = Mutex<[UInt32: AccessMark.Opinion]>([:])
        func note(_ ticket: Ticket, _ opinion: AccessMark.Opinion) { opinions.withLock { $0[ticket.slot] = opinion } }

        func opinion(of slot: UInt32) async -> AccessMark.Opinion {
            while true {
                if let opinion = opinions.withLock({ $0[slot] }) { return opinion }
                await Task.yield()
            }
        }
        var count: Int { opinions.withLock { $0.count } }
    }

    private let agent = Agent()
    private let heard = Heard()

    private func desk() -> PolicyAgent { PolicyAgent(agent) { [heard] in heard.note($0, $1) } }

    private func settings(_ change: (inout AccessSettings.OPA) -> Void = { _ in }) -> AccessSettings.OPA {
        var settings = AccessSettings.OPA(cluster: "opa", path: "/v1/data/nexus/allow")
        change(&settings)
        return settings
    }

    private func ticket(_ slot: UInt32) -> Ticket { Ticket(worker: 0, slot: slot, generation: 0) }

    private func question(_ subject: String) -> PolicyQuestion {
        let exchange = Exchange(ticket: ticket(0))
        return PolicyQuestion(exchange, Principal(kind: .user, subject: Array(subject.utf8)), route: Array("r".utf8), parameters: [])
    }

    private static func json(_ text: String, status: UInt32 = 200) -> OutboundAnswer {
        .answered(status: status, message: "", body: Array(text.utf8))
    }

    @Test func equalQuestionsAreAskedOnceAndAnswersHoldForAWhile() async {
        let desk = desk()
        for slot in 0..<50 as Range<UInt32> { #expect(desk.ask(question("ann"), settings(), for: ticket(slot), nowMS: 0) == .none) }
        #expect(desk.ask(question("bob"), settings(), for: ticket(50), nowMS: 0) == .none)
        await agent.answer(Self.json(#"{"result":true}"#))
        await agent.answer(Self.json(#"{"result":true}"#))
        for slot in 0...50 as ClosedRange<UInt32> { #expect(await heard.opinion(of: slot) == .allowed) }
        #expect(agent.asked.count == 2)
        #expect(desk.ask(question("ann"), settings(), for: ticket(60), nowMS: 0) == .allowed)
        #expect(desk.ask(question("ann"), settings(), for: ticket(61), nowMS: .max) == .none, "it is too old")
        await agent.answer(Self.json(#"{"result":false}"#))
        #expect(await heard.opinion(of: 61) == .denied)
        #expect(desk.ask(question("ann"), settings(), for: ticket(62), nowMS: 0) == .denied, "the newer answer holds")
        #expect(desk.ask(question("ann"), settings { $0.path = "/v1/data/other" }, for: ticket(63), nowMS: 0) == .none, "that is another question")
        await agent.answer(Self.json(#"{"result":true}"#))
    }

    @Test(arguments: [
        (json(#"{"result":true}"#), AccessMark.Opinion.allowed), (json(#"{"result":false}"#), .denied),
        (json(#"{"result":{"allow":true,"reason":"x"}}"#), .allowed), (json(#"{"decision_id":"1","result":{"allow":false}}"#), .denied),
        (json("{}"), .unavailable), (json(#"{"result":null}"#), .unavailable), (json(#"{"result":"true"}"#), .unavailable),
        (json(#"{"result":1}"#), .unavailable), (json(#"{"result":{"allow":"yes"}}"#), .unavailable),
        (json(#"{"result":{}}"#), .unavailable), (json(#"{"result":[true]}"#), .unavailable),
        (json(#"{"result":true}x"#), .unavailable), (json(#"{"result":true,"result":false}"#), .unavailable), (json(""), .unavailable),
        (json("true"), .unavailable), (json(#"{"result":true}"#, status: 201), .unavailable), (json(#"{"result":true}"#, status: 500), .unavailable),
        (json(#"{"result":true,"x":""# + String(repeating: "a", count: 64 << 10) + #""}"#), .unavailable),
        (.failed(Outcome(.deadline, "late"), mayHaveRun: true), .unavailable),
        (.failed(Outcome(.upstreamUnavailable, "away"), mayHaveRun: false), .unavailable),
    ])
    func onlyAPlainAnswerCounts(_ answer: OutboundAnswer, _ opinion: AccessMark.Opinion) async {
        #expect(PolicyAnswer.read(answer) == opinion)
        let desk = desk()
        #expect(desk.ask(question("ann"), settings(), for: ticket(1), nowMS: 0) == .none)
        await agent.answer(answer)
        #expect(await heard.opinion(of: 1) == opinion)
        // What was no answer is not remembered.
        #expect(desk.ask(question("ann"), settings(), for: ticket(2), nowMS: 0) == (opinion == .unavailable ? .none : opinion))
        if opinion == .unavailable { await agent.answer(Self.json("{}")) }
    }

    @Test func noMoreWaitThanMayAndTheyAreRefusedAtOnce() async {
        let desk = desk()
        let few = settings { $0.pending = 3 }
        for slot in 0..<3 as Range<UInt32> { #expect(desk.ask(question("u\(slot)"), few, for: ticket(slot), nowMS: 0) == .none) }
        #expect(desk.ask(question("u0"), few, for: ticket(3), nowMS: 0) == .unavailable)
        #expect(desk.ask(question("new"), few, for: ticket(4), nowMS: 0) == .unavailable)
        for _ in 0..<3 { await agent.answer(Self.json(#"{"result":true}"#)) }
        for slot in 0..<3 as Range<UInt32> { #expect(await heard.opinion(of: slot) == .allowed) }
        #expect(desk.ask(question("new"), few, for: ticket(5), nowMS: 0) == .none)
        await agent.answer(Self.json(#"{"result":true}"#))
        #expect(heard.count <= 4)
    }

    @Test func theOldestAnswerMakesRoom() async {
        let desk = desk()
        let small = settings { $0.cacheEntries = 2 }
        for slot in 0..<3 as Range<UInt32> {
            #expect(desk.ask(question("u\(slot)"), small, for: ticket(slot), nowMS: 0) == .none)
            await agent.answer(Self.json(#"{"result":true}"#))
            #expect(await heard.opinion(of: slot) == .allowed)
        }
        #expect(desk.ask(question("u1"), small, for: ticket(10), nowMS: 0) == .allowed)
        #expect(desk.ask(question("u2"), small, for: ticket(11), nowMS: 0) == .allowed)
        #expect(desk.ask(question("u0"), small, for: ticket(12), nowMS: 0) == .none)
        await agent.answer(Self.json(#"{"result":true}"#))
    }

    @Test func withoutACacheEveryQuestionIsAsked() async {
        let desk = desk()
        let none = settings { $0.cache = 0 }
        for slot in 0..<3 as Range<UInt32> {
            #expect(desk.ask(question("ann"), none, for: ticket(slot), nowMS: 0) == .none)
            await agent.answer(Self.json(#"{"result":true}"#))
            #expect(await heard.opinion(of: slot) == .allowed)
        }
        #expect(agent.asked.count == 3)
    }

    @Test func aQuestionSaysWhoAndNothingSecret() {
        let exchange = Exchange(ticket: ticket(0))
        let principal = Principal(
            kind: .service, issuer: Array("shop".utf8), subject: Array("a\"b".utf8), roles: [Array("R".utf8)], scopes: [Array("s".utf8)],
            claims: [(Array("zone".utf8), Array("eu".utf8))], tokenID: Array("jti-1".utf8))
        let question = PolicyQuestion(exchange, principal, route: Array("route".utf8), parameters: [("id", Array("7/8".utf8))])
        #expect(
            String(decoding: question.body, as: UTF8.self)
                == #"{"input":{"method":"","path":"","route":"route","parameters":{"id":"7/8"},"principal":{"kind":"service","#
                + #""subject":"a\"b","issuer":"shop","roles":["R"],"scopes":["s"],"claims":{"zone":"eu"}}}}"#)
    }
}
