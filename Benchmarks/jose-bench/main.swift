import Glibc
import JOSE

/// `jose-bench [ALGORITHM …]`: CPU of one token, from its text to claims that were checked, an algorithm a line; and of its steps.
let claims = """
    {"iss":"https://issuer.example.com/realms/shop","sub":"8f14e45f-ceea-467a-9b1c-1234567890ab","aud":["nexus-gateway","account"],\
    "exp":4000000000,"iat":1700000000,"jti":"2b1f0f6e-1c6c-4d2b-9d3a-8f0f3f1d7c11","scope":"openid profile orders:write",\
    "realm_access":{"roles":["CUSTOMER","SUPPORT"]},"email":"somebody@example.com"}
    """
let rules = ClaimRules(
    issuer: Array("https://issuer.example.com/realms/shop".utf8), audiences: [Array("nexus-gateway".utf8)], leewayMS: 30_000)
let roles = ["realm_access", "roles"].map { Array($0.utf8) }

func processorSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

/// CPU microseconds of one call: the least of five runs of about a twentieth of a second.
func microseconds(_ work: () throws -> Void) rethrows -> String {
    var rounds = 1
    var least = Double.infinity
    for _ in 0..<50 { try work() }
    while true {
        let start = processorSeconds()
        for _ in 0..<rounds { try work() }
        let used = processorSeconds() - start
        if used > 0.025 {
            rounds = max(1, Int(Double(rounds) * 0.05 / used))
            break
        }
        rounds *= 2
    }
    for _ in 0..<5 {
        let start = processorSeconds()
        for _ in 0..<rounds { try work() }
        least = min(least, (processorSeconds() - start) / Double(rounds) * 1e6)
    }
    let hundredths = Int((least * 100).rounded())
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
}

print("CPU µs a token: whole | parse | signature | claims | bytes")
let named = CommandLine.arguments.dropFirst().compactMap { Algorithm(name: $0) }
for algorithm in named.isEmpty ? Algorithm.allCases : named {
    let signer = try SigningKey(new: algorithm, keyID: Array("key-1".utf8))
    let document = Array("{\"keys\":[".utf8) + signer.publicJWK + Array("]}".utf8)
    let keys = try KeySet(document.span, takesSecrets: true)
    let text = try signer.token(payload: Array(claims.utf8).span)
    let token = try CompactToken(text.span)
    let whole = try microseconds {
        let token = try CompactToken(text.span)
        try keys.verify(token, in: text.span)
        let claims = try ClaimSet(token.payload)
        try claims.check(rules, nowMS: 1_800_000_000_000, type: token.type)
        _ = try claims.texts(at: roles)
    }
    let parse = try microseconds { _ = try CompactToken(text.span) }
    let signature = try microseconds { try keys.verify(token, in: text.span) }
    let reading = try microseconds { _ = try ClaimSet(token.payload) }
    print("\(algorithm.name): \(whole) | \(parse) | \(signature) | \(reading) | \(text.count)")
}
