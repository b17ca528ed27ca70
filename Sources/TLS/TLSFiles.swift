internal import COpenSSL
internal import Glibc

/// A certificate chain and its key, as files. PEM.
public struct TLSCertificateFiles: Sendable {
    /// The certificate itself first, then those above it, without the root.
    public var chain: String
    public var key: String
    /// A DER response of the certificate's OCSP server, sent to clients that ask; nil = none.
    public var status: String?

    public init(chain: String, key: String, status: String? = nil) {
        self.chain = chain
        self.key = key
        self.status = status
    }
}

/// A file that cannot be used, and why.
public struct TLSFileError: Error, Sendable, Equatable {
    /// Which of the files that were given.
    public enum File: Sendable, Equatable {
        case chain(Int), key(Int), status(Int), authorities
        /// None: OpenSSL itself refused.
        case none
    }
    public let file: File
    public let message: String
}

/// Reading certificates, keys and authorities into an `SSL_CTX`.
enum TLSFiles {
    /// A usable pair: readable, valid now, made for each other.
    static func load(_ files: TLSCertificateFiles, number: Int, into context: OpaquePointer) throws(TLSFileError) {
        // A key under a passphrase would make OpenSSL ask for it on the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in -1 }
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(context, files.chain) == 1,
            let certificate = SSL_CTX_get0_certificate(context)
        else {
            throw TLSFileError(
                file: .chain(number), message: "no certificate can be read from '\(files.chain)': \(reason())")
        }
        if X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 {
            throw TLSFileError(file: .chain(number), message: "the certificate in '\(files.chain)' has expired")
        }
        if X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0 {
            throw TLSFileError(file: .chain(number), message: "the certificate in '\(files.chain)' is not valid yet")
        }
        ERR_clear_error()
        let stranger = TLSFileError(
            file: .key(number), message: "the key in '\(files.key)' does not belong to the certificate in '\(files.chain)'")
        guard SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM) == 1 else {
            let reason = ERR_GET_REASON(ERR_peek_error())
            if reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH { throw stranger }
            throw TLSFileError(
                file: .key(number), message: "no private key can be read from '\(files.key)': \(Self.reason())")
        }
        guard SSL_CTX_check_private_key(context) == 1 else { throw stranger }
    }

    /// Who signs the peer's certificates: the file's authorities, or the system's.
    static func trust(_ path: String?, _ context: OpaquePointer) throws(TLSFileError) {
        ERR_clear_error()
        guard let path else {
            guard SSL_CTX_set_default_verify_paths(context) == 1 else {
                throw TLSFileError(file: .none, message: "the system's certificate authorities cannot be read: \(reason())")
            }
            return
        }
        guard SSL_CTX_load_verify_file(context, path) == 1 else {
            throw TLSFileError(file: .authorities, message: "no certificate authority can be read from '\(path)': \(reason())")
        }
    }

    /// A stapled response: whole, and one that says something (RFC 6960 section 4.2.1).
    static func status(_ path: String, number: Int) throws(TLSFileError) -> [UInt8] {
        guard let bytes = read(path, atMost: 64 << 10) else {
            throw TLSFileError(file: .status(number), message: "'\(path)' cannot be read, or is larger than 64 KiB")
        }
        let isGood = bytes.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            guard let response = d2i_OCSP_RESPONSE(nil, &cursor, buffer.count) else { return false }
            defer { OCSP_RESPONSE_free(response) }
            return OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
        }
        guard isGood else {
            throw TLSFileError(file: .status(number), message: "'\(path)' is not a successful OCSP response in DER")
        }
        return bytes
    }

    static func read(_ path: String, atMost limit: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count <= limit {
            let n = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), limit + 1 - count)
            }
            if n < 0 { return nil }
            if n == 0 { break }
            count += n
        }
        return count > limit ? nil : Array(bytes[..<count])
    }

    /// OpenSSL's own words for the last error.
    static func reason() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return "no reason given" }
        if let words = ERR_reason_error_string(code) { return String(cString: words) }
        return ERR_GET_LIB(code) == ERR_LIB_SYS ? String(cString: strerror(ERR_GET_REASON(code))) : "error \(code)"
    }
}

/// May everybody on the machine read the file? A private key should not let them.
public func isReadableByAll(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o004 != 0
}
