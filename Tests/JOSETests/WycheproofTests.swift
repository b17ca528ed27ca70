import Contracts
import Foundation
import JOSE
import Testing

/// The public vectors for signatures in JSON (Wycheproof, 401 cases), where they lie beside the repository.
@Suite struct WycheproofTests {
    private static let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/vectors/json_web_signature_test.json")
    private static let text = try? [UInt8](Data(contentsOf: file))

    /// Where we stand by RFC 7515, 7517 and 8725 and the vectors say otherwise.
    private static let disputed: [Int: Bool] = [
        // The header's PS384 with a key whose `alg` says PS256: a key is for one algorithm. (The same file calls
        // PS256 with a PS512 key invalid, cases 338 and 340.)
        346: false, 350: false,
        // A question mark inside the header, inside the payload: not of the alphabet.
        372: false, 373: false,
        // Byte for byte the token of case 357, which is valid.
        367: true, 370: true,
    ]

    @Test(.enabled(if: text != nil, "the vectors are not in shared/vectors beside the repository"))
    func everyVectorIsJudgedRight() throws {
        let text = try #require(Self.text)
        let document = try JSONValue(text.span)
        var accepted = 0
        var refused = 0
        for group in document["testGroups"]?.items ?? [] {
            let jwk = try #require(group["public"] ?? group["private"])
            var writer = JSONWriter<[UInt8]>([])
            jwk.write(to: &writer)
            let key = try? Minting.taken(jwk: writer.sink)
            let prepared = try? Minting.taken(jwk: writer.sink, prepares: true)
            #expect((key == nil) == (prepared == nil))
            for vector in group["tests"]?.items ?? [] {
                guard case .number(let id)? = vector["tcId"], let number = Int(id), case .string(let token)? = vector["jws"],
                    case .string(let result)? = vector["result"], case .string(let comment)? = vector["comment"]
                else {
                    Issue.record("a case that reads differently")
                    continue
                }
                let bytes = Array(token.utf8)
                let holds = key.map { Minting.fault(bytes, with: $0) == nil } ?? false
                #expect((prepared.map { Minting.fault(bytes, with: $0) == nil } ?? false) == holds, "case \(number), with a table")
                #expect(holds == Self.disputed[number] ?? (result == "valid"), "case \(number): \(comment)")
                if holds { accepted += 1 } else { refused += 1 }
            }
        }
        #expect(accepted == 44)
        #expect(refused == 357)
    }
}

extension JSONValue {
    var items: [JSONValue] {
        guard case .array(let items) = self else { return [] }
        return items
    }
}
