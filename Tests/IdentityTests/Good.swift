import Exchanges
import Glibc
import JOSE
import Settings
import Synchronization

@testable import Identity

/// An issuer with one key and whatever a test needs of it.
struct Good {
    let key: SigningKey
    var settings = IssuerSettings(name: "shop", issuer: "https://shop.example/")
    static let nowMS: UInt64 = 1_800_000_000_000

    init(_ kid: String = "k1", remote: RemoteKeys? = nil) throws {
        key = try SigningKey(new: .edDSA, keyID: Array(kid.utf8))
        settings.audiences = ["gateway"]
        settings.algorithms = ["EdDSA"]
        if let remote { settings.keys = .remote(remote) }
    }

    /// The key set as its issuer publishes it.
    var published: [UInt8] { Array("{\"keys\":[".utf8) + key.publicJWK + Array("]}".utf8) }

    /// One with its keys in force, as from a file.
    func issuer(nowMS: UInt64 = 0) throws -> Issuer {
        let issuer = Issuer(settings)
        issuer.adopt(try KeySet(published.span), text: published, nowMS: nowMS)
        return issuer
    }

    func token(sub: String = "user-1", expS: UInt64 = nowMS / 1000 + 60, more: String = "") throws -> [UInt8] {
        let payload = Array(
            "{\"iss\":\"https://shop.example/\",\"aud\":\"gateway\",\"sub\":\"\(sub)\",\"exp\":\(expS)\(more)}".utf8)
        return try key.token(payload: payload.span)
    }
}

/// Answers fetches of key sets from a script, and counts them.
final class ScriptedCalls: CallOut {
    private let state = Mutex<(answer: OutboundAnswer, calls: Int)>((.answered(status: 500, message: "", body: []), 0))

    var answer: OutboundAnswer {
        get { state.withLock { $0.answer } }
        set { state.withLock { $0.answer = newValue } }
    }
    var calls: Int { state.withLock { $0.calls } }

    func call(_ call: OutboundCall) async -> OutboundAnswer {
        state.withLock { state in
            state.calls += 1
            return state.answer
        }
    }
}

/// A clock that stands still until told otherwise.
final class HandClock: Sendable {
    private let ms = Atomic<UInt64>(1_000_000)
    var now: UInt64 { ms.load(ordering: .relaxed) }
    func pass(_ more: UInt64) { ms.add(more, ordering: .relaxed) }
}
