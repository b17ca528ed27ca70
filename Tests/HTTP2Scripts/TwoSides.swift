import Exchanges
import WireHTTP

/// Two sessions that talk to each other as choices say, in pieces of any size, with credit that comes late:
/// every body arrives whole, in order, within its window, and every stream ends once on both sides.
public final class TwoSides {
    private let client: TalkingSide
    private let server: TalkingSide
    private var choices: Choices
    private var wrong: String?
    private var asked = 0
    private var resets = 0
    private var isLeaving = false

    /// - Returns: what went wrong, or nil.
    public static func run(_ choices: Choices) -> String? {
        let one = TwoSides(choices)
        one.play()
        one.finish()
        one.judge()
        return one.wrong ?? one.client.wrong ?? one.server.wrong
    }

    private init(_ choices: Choices) {
        self.choices = choices
        client = TalkingSide(.client)
        server = TalkingSide(.server)
        _ = move(everything: true)
    }

    private func play() {
        for _ in 0..<600 where !choices.isEmpty {
            let side = choices.below(2) == 0 ? client : server
            switch choices.below(16) {
            case 0, 1, 2: ask()
            case 3, 4, 5:
                if let one = pick(server), !one.hasSpoken { server.answer(one, body: choices.size(), trailers: choices.below(2) == 0) }
            case 6, 7: if let one = pick(side) { side.speak(one, choices.size()) }
            case 8, 9: if let one = pick(side) { side.session.consumed(one.stream, choices.size()) }
            case 10: if let one = pick(side) { side.session.stored(one.stream, choices.size()) }
            case 11 where resets < 20 && choices.below(4) == 0:
                guard let one = pick(side) else { continue }
                resets += 1
                one.isDisturbed = true
                side.session.reset(one.stream, .cancel)
            case 12 where choices.below(16) == 0:
                isLeaving = true
                server.session.goAway(.noError, final: false)
            case 13: side.nowMS += UInt64(choices.byte())
            default: _ = move(everything: false)
            }
        }
    }

    private func ask() {
        guard client.streams.count(where: { $0.closed == nil }) < 6 else { return }
        client.ask(asked, body: choices.size(), trailers: choices.below(2) == 0)
        asked += 1
    }

    private func pick(_ side: TalkingSide) -> TalkingStream? {
        let open = side.streams.filter { $0.closed == nil }
        return open.isEmpty ? nil : open[choices.below(open.count)]
    }

    /// - Returns: whether anything moved.
    private func move(everything: Bool) -> Bool {
        let limit = everything ? Int.max : 1 + choices.size()
        let up = client.speak(to: server, most: limit)
        let down = server.speak(to: client, most: limit)
        return up || down
    }

    /// Everything is said, used and moved.
    private func finish() {
        for _ in 0..<4096 {
            var hasWork = move(everything: true)
            for one in server.streams where one.closed == nil && !one.hasSpoken {
                server.answer(one, body: 0, trailers: false)
                hasWork = true
            }
            for side in [client, server] {
                for one in side.streams where one.closed == nil {
                    if one.left > 0 || !one.hasEnded { hasWork = true }
                    side.speak(one, .max)
                    side.session.consumed(one.stream, .max)
                }
            }
            if !hasWork { return }
        }
        wrong = "it never came to an end"
    }

    private func judge() {
        for side in [client, server] where side.session.endedFor != nil {
            wrong = "the connection was ended: \(side.session.endedFor?.label ?? "")"
        }
        for one in client.streams {
            let other = server.streams.first { $0.number == one.number }
            let isCut = one.isDisturbed || other?.isDisturbed == true
            if one.closings != 1 { wrong = "stream \(one.number) closed \(one.closings) times at the client" }
            if let other, other.closings != 1 { wrong = "stream \(one.number) closed \(other.closings) times at the server" }
            guard !isCut else { continue }
            guard let other else {
                // What was still waiting when the server took its leave may go to another connection.
                if !isLeaving || one.closed != .refusedStream { wrong = "stream \(one.number) never arrived" }
                continue
            }
            if one.closed != .noError || other.closed != .noError { wrong = "stream \(one.number) ended by itself" }
            if other.heard != one.said || one.heard != other.said { wrong = "stream \(one.number): a body is not whole" }
            if other.heardTrailers != one.saysTrailers || one.heardTrailers != other.saysTrailers {
                wrong = "stream \(one.number): trailers are lost or invented"
            }
        }
        if client.session.openStreams + server.session.openStreams > 0 { wrong = "streams are left" }
    }
}
