import ArgumentParser
import JOSE

/// `nexus-gateway jws`: signatures of JSON (RFC 7515) from the command line.
struct JWSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jws", abstract: "Check signed tokens.", subcommands: [Verify.self])

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Does the token's signature hold with this key?",
            discussion: """
                Exit status 0: it holds. 1: it does not, the token breaks a rule, or the key is not usable; the reason is on \
                standard error. The header and the signature are looked at, no claim is.
                """)

        @Argument(help: "A JSON Web Key: the JSON itself, or a file with it.")
        var jwk: String

        @Argument(help: "The token in compact form; - reads it from standard input.")
        var token: String

        func run() throws {
            let isLiteral = jwk.utf8.first { $0 > 0x20 } == UInt8(ascii: "{")
            guard let jwk = isLiteral ? Array(jwk.utf8) : TokenFiles.read(jwk) else {
                TokenFiles.complain("'\(jwk)' cannot be read")
                throw ExitCode(1)
            }
            guard let text = token == "-" ? TokenFiles.standardInput() : Array(token.utf8) else {
                TokenFiles.complain("standard input cannot be read")
                throw ExitCode(1)
            }
            if let reason = Verify.reason(jwk, text) {
                TokenFiles.complain("\(reason)")
                throw ExitCode(1)
            }
        }

        /// Why the token is not believed; nil = it is.
        private static func reason(_ jwk: [UInt8], _ text: [UInt8]) -> StaticString? {
            let key: VerificationKey
            do throws(KeyFault) {
                // A private key or a secret is the caller's own here.
                key = try VerificationKey(jwk: jwk.span, takesSecret: true, takesPrivate: true)
            } catch {
                return error.text
            }
            do throws(TokenFault) {
                let token = try CompactToken(text.span)
                if let id = key.keyID, let wanted = token.keyID, id != wanted { return TokenFault.unknownKey.text }
                try key.verify(token, in: text.span)
                return nil
            } catch {
                return error.text
            }
        }
    }
}
