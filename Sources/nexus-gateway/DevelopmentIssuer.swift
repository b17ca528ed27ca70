import ArgumentParser
import Glibc
import JOSE

/// The key that signs tokens for developers, in a file that only its owner reads, and its public half beside it.
struct DevelopmentIssuer {
    let key: SigningKey

    /// Reads the key, or makes one; then sees to it that the file of public keys holds its public half.
    /// - Parameter publicFile: nil = the key's file with another ending.
    init(keyFile: String, publicFile: String?, algorithm: Algorithm, keyID: [UInt8]?) throws {
        if access(keyFile, F_OK) != 0 && errno == ENOENT { try DevelopmentIssuer.make(keyFile, algorithm, keyID) }
        guard let text = TokenFiles.read(keyFile) else {
            throw DevelopmentIssuer.failed("the key '\(keyFile)' cannot be read: \(String(cString: strerror(errno)))")
        }
        let isPEM = text.starts(with: "-----BEGIN".utf8)
        do throws(KeyFault) {
            key = isPEM ? try SigningKey(pem: text.span, keyID: keyID) : try SigningKey(jwk: text.span)
        } catch {
            throw DevelopmentIssuer.failed("'\(keyFile)': \(error.text)")
        }
        let set = Array("{\"keys\":[".utf8) + key.publicJWK + Array("]}\n".utf8)
        let place = publicFile ?? DevelopmentIssuer.beside(keyFile)
        guard TokenFiles.read(place) != set else { return }
        // The public half of a shared secret is the secret.
        let mode: mode_t = AlgorithmSet.symmetric.contains(key.algorithm) ? 0o600 : 0o644
        let problem = TokenFiles.write(set, to: place, mode: mode, replaces: true)
        guard problem == 0 else { throw DevelopmentIssuer.failed("'\(place)' cannot be written: \(String(cString: strerror(problem)))") }
    }

    private static func make(_ file: String, _ algorithm: Algorithm, _ keyID: [UInt8]?) throws {
        guard let key = try? SigningKey(new: algorithm, keyID: keyID) else { throw failed("a key could not be made") }
        let problem = TokenFiles.write(key.privateJWK + [10], to: file, mode: 0o600, replaces: false)
        // EEXIST: another call has made one at the same time; that one counts.
        guard problem == 0 || problem == EEXIST else {
            throw failed("the key '\(file)' cannot be written: \(String(cString: strerror(problem)))")
        }
    }

    private static func beside(_ file: String) -> String {
        for ending in [".jwk", ".pem", ".key"] where file.hasSuffix(ending) { return String(file.dropLast(ending.count)) + ".jwks" }
        return file + ".jwks"
    }

    private static func failed(_ reason: String) -> ExitCode {
        TokenFiles.complain(reason)
        return ExitCode(1)
    }
}
