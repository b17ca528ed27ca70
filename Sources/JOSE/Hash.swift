internal import COpenSSL
internal import Exchanges

/// SHA-2, as the algorithms of JOSE use it.
enum Hash: UInt8, Sendable, CaseIterable {
    case sha256, sha384, sha512

    /// Bytes of a digest.
    var length: Int {
        switch self {
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }

    /// As OpenSSL names it.
    var name: StaticString {
        switch self {
        case .sha256: "SHA256"
        case .sha384: "SHA384"
        case .sha512: "SHA512"
        }
    }

    // Fetched once and kept: OpenSSL counts references to them atomically and never changes them.
    private nonisolated(unsafe) static let fetched: [OpaquePointer?] = Hash.allCases.map { hash in
        EVP_MD_fetch(nil, "\(hash.name)", nil)
    }

    /// OpenSSL's description of it.
    var implementation: OpaquePointer? { Hash.fetched[Int(rawValue)] }

    /// The digest of `input`; nil when OpenSSL fails.
    func digest(of input: Span<UInt8>) -> [UInt8]? {
        var digest = [UInt8](repeating: 0, count: length)
        let done = input.withUnsafeBytes { input in
            EVP_Digest(input.baseAddress, input.count, &digest, nil, implementation, nil)
        }
        return done == 1 ? digest : nil
    }
}
