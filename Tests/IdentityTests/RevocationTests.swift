import Exchanges
import Glibc
import Testing

@testable import Identity

@Suite struct RevocationTests {
    private func entry(
        _ id: String, _ whose: Revocations.Entry.Whose = .token, _ name: String, issuer: String = "", beforeMS: UInt64 = .max,
        untilMS: UInt64 = 1000
    ) -> Revocations.Entry {
        .init(id: id, whose: whose, name: name, issuer: issuer, beforeMS: beforeMS, untilMS: untilMS)
    }

    private func principal(sub: String = "u", jti: String = "", issuer: String = "shop", issuedMS: UInt64 = 10) -> Principal {
        Principal(
            kind: .user, issuer: Array(issuer.utf8), subject: Array(sub.utf8), tokenID: Array(jti.utf8), issuedMS: issuedMS)
    }

    /// A path that nobody else uses.
    private func temporary() -> String { "/tmp/revocations-\(getpid())-\(UInt64.random(in: .min ... .max))" }

    @Test func tokensAndSubjects() throws {
        let revocations = Revocations()
        let before = revocations.version
        try revocations.add(entry("1", .token, "j", issuer: "shop"), nowMS: 0)
        try revocations.add(entry("2", .subject, "u", beforeMS: 50), nowMS: 0)
        #expect(revocations.version > before)
        #expect(revocations.isRevoked(principal(sub: "x", jti: "j")) && !revocations.isRevoked(principal(sub: "x", jti: "j", issuer: "far")))
        #expect(revocations.isRevoked(principal(issuedMS: 49)) && !revocations.isRevoked(principal(issuedMS: 50)))
        // What does not say when it was issued is older than anything.
        #expect(revocations.isRevoked(principal(issuedMS: 0)))
        // Only tokens can be revoked.
        #expect(!revocations.isRevoked(Principal(kind: .service, subject: Array("u".utf8))))
    }

    @Test func aLaterOneDoesNotWeakenAnEarlierOne() throws {
        let revocations = Revocations()
        try revocations.add(entry("1", .subject, "u", beforeMS: 500, untilMS: 900), nowMS: 0)
        let kept = try revocations.add(entry("2", .subject, "u", beforeMS: 50, untilMS: 100), nowMS: 0)
        #expect(kept == entry("1", .subject, "u", beforeMS: 500, untilMS: 900) && revocations.count == 1)
        #expect(try revocations.remove(id: "1") && !revocations.isRevoked(principal()))
        #expect(try !revocations.remove(id: "1"))
    }

    @Test func thereIsABound() throws {
        let revocations = Revocations()
        for i in 0..<Revocations.most { try revocations.add(entry("\(i)", .token, "j\(i)", untilMS: i == 0 ? 5 : 1000), nowMS: 0) }
        #expect(throws: Revocations.Fault.full) { try revocations.add(self.entry("x", .token, "x"), nowMS: 4) }
        // What has expired makes room.
        try revocations.add(entry("x", .token, "x"), nowMS: 5)
        #expect(revocations.count == Revocations.most)
    }

    @Test func theyAreOnDisk() throws {
        let path = temporary()
        defer { unlink(path) }
        do {
            let revocations = try Revocations(path: path, nowMS: 0)
            for i in 0..<50 { try revocations.add(entry("\(i)", .token, "j\(i)\n\"", untilMS: i < 10 ? 100 : 1000), nowMS: 0) }
            #expect(try revocations.remove(id: "20"))
        }
        // The end of a line that a crash cut off.
        let file = open(path, O_WRONLY | O_APPEND)
        _ = Array(#"{"id":"99","jti":"cut"#.utf8).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
        let again = try Revocations(path: path, nowMS: 100)
        #expect(again.count == 39 && again.list(after: "", most: 1000, nowMS: 100).count == 39)
        #expect(again.isRevoked(principal(jti: "j30\n\"")) && !again.isRevoked(principal(jti: "j20\n\"")) && !again.isRevoked(principal(jti: "j5\n\"")))
        try again.add(entry("x", .token, "x"), nowMS: 100)
        #expect(try Revocations(path: path, nowMS: 100).count == 40)
    }

    @Test func theFileDoesNotGrowForEver() throws {
        let path = temporary()
        defer { unlink(path) }
        let revocations = try Revocations(path: path, nowMS: 0)
        for i in 0..<1500 {
            try revocations.add(entry("\(i)", .token, "j"), nowMS: 0)
            _ = try revocations.remove(id: "\(i)")
        }
        var facts = stat()
        #expect(stat(path, &facts) == 0 && facts.st_size < 100 * 1200)
    }
}
