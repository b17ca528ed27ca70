internal import CShim
internal import Glibc
public import Exchanges

/// What a receive or send came to.
public enum IOResult: Sendable, BitwiseCopyable {
    /// So many bytes moved.
    case moved(Int)
    /// Nothing now; readiness will tell.
    case wouldBlock
    /// The peer has ended its side (receive only).
    case ended
    /// The connection is gone: errno.
    case failed(Int32)
}

/// A layer between the socket and the codec, such as TLS. It moves the same bytes with the same
/// results, so that codecs and connections do not know whether it is there.
open class TransportLayer {
    public init() {}
    /// Receives into the free part of `buffer`.
    open func receive(_ descriptor: Int32, into buffer: Buffer) -> IOResult { .failed(ENOSYS) }
    /// Sends from the readable part of `buffer`, without consuming it.
    /// - Parameter more: as for `Transport.send`.
    open func send(_ descriptor: Int32, from buffer: Buffer, more: Bool) -> IOResult { .failed(ENOSYS) }
    /// Ends the sending side (close_notify). The transport then ends that of the socket.
    open func shutdownSending(_ descriptor: Int32) {}
    /// Nothing more can be received until the loop reports it.
    open var isDrained: Bool { true }
    /// The layer itself holds bytes of the peer that have not been received from it.
    open var holdsInput: Bool { false }
    /// What a report about the socket means above the layer, where a receive may wait to send.
    open func translate(_ readiness: Readiness) -> Readiness { readiness }
}

/// A connected byte stream: a non-blocking socket, with an optional layer on top.
///
/// What moves bytes is `mutating` although nothing changes: so it works on the connection's own transport, and not on
/// a copy, whose layer would be counted.
public struct Transport {
    public private(set) var descriptor: Int32
    /// nil = plain bytes straight to the kernel.
    public var layer: TransportLayer? {
        didSet { called = layer.map(Unmanaged.passUnretained) }
    }
    /// `layer` again, to be called without counting references. A layer never calls back, so nobody can take it
    /// away while it runs.
    private var called: Unmanaged<TransportLayer>?

    public init(descriptor: Int32) { self.descriptor = descriptor }

    public var isOpen: Bool { descriptor >= 0 }

    /// Receives at most `buffer.free` bytes behind what `buffer` holds.
    @inline(__always)
    public mutating func receive(into buffer: Buffer) -> IOResult {
        if let called { return called._withUnsafeGuaranteedRef { $0.receive(descriptor, into: buffer) } }
        let n = buffer.withUnsafeFree { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if n > 0 {
            buffer.produced(n)
            return .moved(n)
        }
        return n == 0 ? .ended : Self.failure(errno)
    }

    /// After a receive into `buffer`: has the peer nothing more to say for now? The kernel then tells when
    /// it has. A short read says so of a plain socket; a layer has its own ways.
    @inline(__always)
    public func isDrained(_ buffer: Buffer) -> Bool {
        if let called { return called._withUnsafeGuaranteedRef { $0.isDrained } }
        return buffer.free > 0
    }

    /// A report of the loop, as it is meant for who receives and sends here.
    @inline(__always)
    public mutating func translate(_ readiness: Readiness) -> Readiness {
        if let called { return called._withUnsafeGuaranteedRef { $0.translate(readiness) } }
        return readiness
    }

    /// Sends what `buffer` holds and consumes what was taken.
    /// - Parameter more: if all is taken, `shutdownSending` follows at once: the end goes in the same packet.
    @inline(__always)
    public mutating func send(_ buffer: Buffer, more: Bool = false) -> IOResult {
        if let called {
            let result = called._withUnsafeGuaranteedRef { $0.send(descriptor, from: buffer, more: more) }
            if case .moved(let n) = result { buffer.consume(n) }
            return result
        }
        let flags = more ? Int32(MSG_NOSIGNAL) | Int32(MSG_MORE) : Int32(MSG_NOSIGNAL)
        let n = buffer.withUnsafeReadable { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
        guard n >= 0 else { return Self.failure(errno) }
        buffer.consume(n)
        return .moved(n)
    }

    private static func failure(_ code: Int32) -> IOResult {
        code == EAGAIN || code == EINTR ? .wouldBlock : .failed(code)
    }

    /// Is the peer still there, with nothing to say? False for an ended or failed stream and for
    /// one that holds unread bytes (an idle HTTP/1.1 connection must have none).
    public func isQuiet() -> Bool {
        if let layer, layer.holdsInput { return false }
        var byte: UInt8 = 0
        let n = recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
        return n < 0 && (errno == EAGAIN || errno == EINTR)
    }

    /// Ends our side of the stream. - Returns: false = the peer has reset it meanwhile, and there is nobody left.
    @discardableResult
    public func shutdownSending() -> Bool {
        layer?.shutdownSending(descriptor)
        return shutdown(descriptor, Int32(SHUT_WR)) == 0 || errno != ENOTCONN
    }

    /// The first byte that waits to be received, left where it is; nil when none does.
    public func firstByte() -> UInt8? {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 1 ? byte : nil
    }

    /// Closes; with `reset` the peer sees RST instead of an orderly end, so that a cut answer can
    /// never look like a complete one.
    public mutating func close(reset: Bool = false) {
        guard descriptor >= 0 else { return }
        if reset {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        } else {
            layer?.shutdownSending(descriptor)
        }
        closeDescriptor(descriptor)
        descriptor = -1
        layer = nil
    }
}

func closeDescriptor(_ descriptor: Int32) {
    _ = Glibc.close(descriptor)
}

func setIntOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}
