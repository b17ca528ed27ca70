internal import COpenSSL
public import Exchanges
internal import Glibc
public import Reactor

/// TLS on one connection, between the socket and the codec. Belongs to one loop, like its connection.
///
/// A stream that ends without close_notify has been cut: it is reported as failed, never as ended
/// (RFC 8446 section 6.1), so that a body that runs to the end of the connection cannot be shortened
/// on the way.
public final class TLSLayer: TransportLayer {
    private let ssl: OpaquePointer
    private let state: UnsafeMutablePointer<SocketState>
    /// Keeps what OpenSSL's callbacks point at.
    private let context: AnyObject
    /// After a fatal error OpenSSL wants to be asked nothing more.
    private var broken = false
    /// The socket takes no more; what came before may still be received (an early answer).
    private var mute = false
    private var closing = false
    private var handshaken = false
    /// A receive waits until the socket takes bytes, or a send until it has some.
    private var receiveWaitsToSend = false
    private var sendWaitsToReceive = false
    /// Records without data since the last with some.
    private var controlRecords = 0

    /// KeyUpdates, tickets and the like that may come in a row: each costs us work and brings nothing.
    private static let mostControlRecords = 32

    /// Takes `ssl` over. Nil when memory ran out.
    init?(ssl: OpaquePointer, descriptor: Int32, context: AnyObject) {
        let state = UnsafeMutablePointer<SocketState>.allocate(capacity: 1)
        state.initialize(to: SocketState(descriptor: descriptor))
        guard let stream = SocketStream.make(state) else {
            SSL_free(ssl)
            state.deallocate()
            return nil
        }
        SSL_set_bio(ssl, stream, stream)
        self.ssl = ssl
        self.state = state
        self.context = context
        super.init()
    }

    deinit {
        SSL_free(ssl)
        state.deallocate()
    }

    // MARK: - Handshake

    public enum HandshakeStep: Sendable {
        case done(TLSAgreement)
        /// Nothing more to do until the socket can be read, or written.
        case wantsToReceive, wantsToSend
        case failed(TLSFailure)
    }

    /// One step: as far as what has been received allows.
    /// - Parameter isPeerOpen: the peer has not ended the stream, as far as it has been reported: then a receive
    ///   that comes back short need not be followed by another that finds nothing.
    public func handshake(isPeerOpen: Bool = false) -> HandshakeStep {
        forgetErrors()
        state.pointee.empty = false
        state.pointee.drained = false
        state.pointee.staysOpen = isPeerOpen
        defer { state.pointee.staysOpen = false }
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            handshaken = true
            return .done(agreement)
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsToReceive
        case SSL_ERROR_WANT_WRITE: return .wantsToSend
        default:
            broken = true
            return .failed(failure)
        }
    }

    /// OpenSSL judges by what is in the thread's list of errors, which must be empty before each call; it nearly
    /// always is, and looking costs less than clearing.
    private func forgetErrors() { if ERR_peek_error() != 0 { ERR_clear_error() } }

    private var agreement: TLSAgreement {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        let chosen = TLSProtocolName.allCases.first {
            Array($0.rawValue.utf8).elementsEqual(UnsafeBufferPointer(start: name, count: Int(length)))
        }
        return TLSAgreement(
            version: SSL_version(ssl) == TLS1_3_VERSION ? .tls13 : .tls12, resumed: SSL_session_reused(ssl) == 1,
            protocolName: chosen)
    }

    private var failure: TLSFailure {
        let code = ERR_peek_error()
        let reason = ERR_GET_REASON(code)
        if code == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING { return .closed }
        switch reason {
        case SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .certificate
        case SSL_R_NO_APPLICATION_PROTOCOL: return .noProtocol
        default: return reason >= SSL_AD_REASON_OFFSET ? .alert : .protocolError
        }
    }

    /// The name in the certificate the peer has shown and we have verified; empty when there is none.
    public var peerName: [UInt8] {
        guard SSL_get_verify_result(ssl) == X509_V_OK, let certificate = SSL_get0_peer_certificate(ssl) else { return [] }
        return CertificateNames.identity(of: certificate)
    }

    // MARK: - Bytes

    public override func receive(_ descriptor: Int32, into buffer: Buffer) -> IOResult {
        guard !broken else { return .failed(EPROTO) }
        while true {
            forgetErrors()
            state.pointee.empty = false
            var n = 0
            let result = buffer.withUnsafeFree { SSL_read_ex(ssl, $0.baseAddress, $0.count, &n) }
            if result == 1 {
                buffer.produced(n)
                controlRecords = 0
                return .moved(n)
            }
            switch SSL_get_error(ssl, 0) {
            case SSL_ERROR_WANT_READ:
                if state.pointee.empty { return .wouldBlock }
                // A record without data has been dealt with; there may be another behind it.
                controlRecords += 1
                if controlRecords > Self.mostControlRecords { return fail(EPROTO) }
            case SSL_ERROR_WANT_WRITE:
                receiveWaitsToSend = true
                return .wouldBlock
            case SSL_ERROR_ZERO_RETURN: return .ended
            default: return fail(state.pointee.ended ? ECONNRESET : EPROTO)
            }
        }
    }

    public override func send(_ descriptor: Int32, from buffer: Buffer, more: Bool) -> IOResult {
        guard !broken, !mute else { return .failed(EPROTO) }
        forgetErrors()
        state.pointee.empty = false
        state.pointee.more = more
        defer { state.pointee.more = false }
        var n = 0
        let result = buffer.withUnsafeReadable { SSL_write_ex(ssl, $0.baseAddress, $0.count, &n) }
        if result == 1 { return .moved(n) }
        switch SSL_get_error(ssl, 0) {
        case SSL_ERROR_WANT_WRITE: return .wouldBlock
        case SSL_ERROR_WANT_READ:
            sendWaitsToReceive = true
            return .wouldBlock
        case SSL_ERROR_SYSCALL:
            mute = true
            return .failed(state.pointee.problem == 0 ? EPIPE : state.pointee.problem)
        default: return fail(EPROTO)
        }
    }

    private func fail(_ code: Int32) -> IOResult {
        broken = true
        return .failed(state.pointee.problem == 0 ? code : state.pointee.problem)
    }

    /// Everything the kernel had has been received and given out: the next bytes will be reported.
    public override var isDrained: Bool { state.pointee.drained && SSL_has_pending(ssl) == 0 }

    /// Bytes received from the socket have not been given out.
    public override var holdsInput: Bool { SSL_has_pending(ssl) == 1 }

    public override func translate(_ readiness: Readiness) -> Readiness {
        var readiness = readiness
        // More may be there than the last receive saw, which may not have given out all that it brought.
        if readiness.contains(.readable) { state.pointee.drained = false }
        if receiveWaitsToSend && readiness.contains(.writable) {
            receiveWaitsToSend = false
            readiness.insert(.readable)
        }
        if sendWaitsToReceive && readiness.contains(.readable) {
            sendWaitsToReceive = false
            readiness.insert(.writable)
        }
        return readiness
    }

    /// Sends close_notify, once, unless the connection is in no state to. The end of the TCP stream follows at
    /// once, and takes it along.
    public override func shutdownSending(_ descriptor: Int32) {
        guard handshaken, !broken, !mute, !closing else { return }
        closing = true
        forgetErrors()
        state.pointee.more = true
        if SSL_shutdown(ssl) < 0 { ERR_clear_error() }
    }
}
