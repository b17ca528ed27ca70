internal import CShim
internal import Glibc

/// Where a socket is bound or connects to: an IP address and port, or a Unix path.
public enum SocketAddress: Sendable, Hashable, CustomStringConvertible {
    case v4(UInt32, port: UInt16)  // host byte order
    case v6(high: UInt64, low: UInt64, port: UInt16)
    case unix(String)

    /// An IP literal (no brackets, no zone) and port; nil when `host` is not one.
    public init?(literal host: String, port: UInt16) {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 {
            self = .v4(UInt32(bigEndian: four.s_addr), port: port)
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return nil }
        let (high, low) = Self.words(six)
        self = .v6(high: high, low: low, port: port)
    }

    /// 16 bytes as in IPv6, IPv4 mapped (`::ffff:a.b.c.d`).
    public init(mapped high: UInt64, _ low: UInt64, port: UInt16) {
        if high == 0 && low >> 32 == 0xffff {
            self = .v4(UInt32(truncatingIfNeeded: low), port: port)
        } else {
            self = .v6(high: high, low: low, port: port)
        }
    }

    /// The address as two words of an IPv6 address (IPv4 mapped); a Unix peer is all zero.
    public var words: (high: UInt64, low: UInt64) {
        switch self {
        case .v4(let address, _): (0, 0xffff_0000_0000 | UInt64(address))
        case .v6(let high, let low, _): (high, low)
        case .unix: (0, 0)
        }
    }

    public var port: UInt16 {
        switch self {
        case .v4(_, let port), .v6(_, _, let port): port
        case .unix: 0
        }
    }

    public func withPort(_ port: UInt16) -> SocketAddress {
        switch self {
        case .v4(let address, _): .v4(address, port: port)
        case .v6(let high, let low, _): .v6(high: high, low: low, port: port)
        case .unix: self
        }
    }

    var family: Int32 {
        switch self {
        case .v4: AF_INET
        case .v6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// The address without its port: `192.0.2.1`, `2001:db8::1`, `unix`.
    public var host: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch self {
        case .v4(let address, _):
            var four = in_addr(s_addr: address.bigEndian)
            inet_ntop(AF_INET, &four, &text, socklen_t(text.count))
        case .v6(let high, let low, _):
            var six = Self.address(high, low)
            inet_ntop(AF_INET6, &six, &text, socklen_t(text.count))
        case .unix: return "unix"
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The address as a node of RFC 7239 names it: an address, or `unknown`.
    public var node: String { if case .unix = self { "unknown" } else { host } }

    public var description: String {
        switch self {
        case .v4(_, let port): "\(host):\(port)"
        case .v6(_, _, let port): "[\(host)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    // MARK: - The kernel's form

    private static func words(_ address: in6_addr) -> (UInt64, UInt64) {
        withUnsafeBytes(of: address) { raw in
            (
                UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    private static func address(_ high: UInt64, _ low: UInt64) -> in6_addr {
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) { raw in
            raw.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
            raw.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }

    init?(_ storage: borrowing sockaddr_storage) {
        let family = Int32(storage.ss_family)
        let parsed: SocketAddress? = withUnsafeBytes(of: storage) { raw in
            switch family {
            case AF_INET:
                let four = raw.loadUnaligned(as: sockaddr_in.self)
                return .v4(UInt32(bigEndian: four.sin_addr.s_addr), port: UInt16(bigEndian: four.sin_port))
            case AF_INET6:
                let six = raw.loadUnaligned(as: sockaddr_in6.self)
                let (high, low) = Self.words(six.sin6_addr)
                return SocketAddress(mapped: high, low, port: UInt16(bigEndian: six.sin6_port))
            case AF_UNIX: return .unix("")
            default: return nil
            }
        }
        guard let parsed else { return nil }
        self = parsed
    }

    /// Calls `body` with the kernel's form; nil when a Unix path is too long.
    func withKernelForm<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R? {
        var storage = sockaddr_storage()
        let length: Int? = withUnsafeMutableBytes(of: &storage) { raw in
            switch self {
            case .v4(let address, let port):
                var four = sockaddr_in()
                four.sin_family = sa_family_t(AF_INET)
                four.sin_port = port.bigEndian
                four.sin_addr.s_addr = address.bigEndian
                raw.storeBytes(of: four, as: sockaddr_in.self)
                return MemoryLayout<sockaddr_in>.size
            case .v6(let high, let low, let port):
                var six = sockaddr_in6()
                six.sin6_family = sa_family_t(AF_INET6)
                six.sin6_port = port.bigEndian
                six.sin6_addr = Self.address(high, low)
                raw.storeBytes(of: six, as: sockaddr_in6.self)
                return MemoryLayout<sockaddr_in6>.size
            case .unix(let path):
                let bytes = Array(path.utf8)
                // sun_path: 108 bytes with the terminating zero.
                guard !bytes.isEmpty, bytes.count < 108 else { return nil }
                raw.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                raw[2..<(2 + bytes.count)].copyBytes(from: bytes)
                return 2 + bytes.count + 1
            }
        }
        guard let length else { return nil }
        return withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}
