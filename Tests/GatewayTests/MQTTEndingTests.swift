import Exchanges
import Pipeline
import Testing
import WireMQTT

@testable import Gateway

@Suite struct MQTTEndingTests {
    @Test func everyEndingHasAReasonInEveryPacket() {
        for code in Code.allCases {
            let ending = MQTTEnding(Outcome(code))
            let isDone = code == .ok || code == .accepted
            #expect(ending.connectReason.isError != isDone && ending.publishReason.isError != isDone, "\(code)")
            #expect(ending.subscribeReason.isError != isDone, "\(code)")
        }
    }

    @Test func whatMayBeTakenLaterIsNeitherKeptNorAcknowledged() {
        for code in Code.allCases {
            let ending = MQTTEnding(Outcome(code))
            #expect(!(ending.isTemporary && ending.isPoison), "\(code)")
        }
        #expect(MQTTEnding(Outcome(.upstreamUnavailable)).isTemporary)
        #expect(!MQTTEnding(Outcome(.rateLimited)).isTemporary)
        #expect(MQTTEnding(Outcome(.validationError)).isPoison)
    }

    @Test(arguments: [
        (200, nil), (204, nil), (400, 0x99), (401, 0x87), (403, 0x87), (404, 0x90), (413, 0x97), (429, 0x97), (500, 0x83), (503, 0x83),
        (302, 0x83),
    ]) func clustersAnswerWithAStatus(status: Int, reason: Int?) {
        #expect(MQTTEnding(status: UInt16(status)).map { Int($0.publishReason.rawValue) } == reason)
    }

    @Test func aProblemSaysItsOutcomeAndItsLine() {
        var reply = LocalReply(status: 400, body: Array("why".utf8))
        reply.outcome = Outcome(.illegalState)
        let ending = MQTTEnding(reply)
        #expect(ending?.outcome.code == .illegalState && ending?.text == Array("why".utf8))
        #expect(MQTTEnding(LocalReply(status: 202, body: []))?.outcome.code == nil)
    }

    @Test func ownersAreReadBack() {
        let owner = Principal(kind: .user, issuer: [1], subject: [2, 0, 3])
        let read = Principal(owner: owner.owner(isNewSession: false))
        #expect(read?.kind == .user && read?.issuer == [1] && read?.subject == [2, 0, 3])
        #expect(Principal.anonymous.owner(isNewSession: false) == Principal(kind: .session, subject: [9]).owner(isNewSession: true))
        for wrong: [UInt8] in [[], [3], [77, 0]] { #expect(Principal(owner: wrong)?.kind == nil) }
        #expect(Principal(owner: [0])?.kind == .anonymous)
    }
}
