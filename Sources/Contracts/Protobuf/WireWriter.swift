import Exchanges
import Glibc

/// The protobuf wire format, written at a buffer's end.
struct WireWriter {
    let out: Buffer

    @inline(__always) func varint(_ value: UInt64) {
        if value < 0x80 {
            out.append(UInt8(truncatingIfNeeded: value))
        } else {
            longVarint(value)
        }
    }

    private func longVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        out.append(UInt8(truncatingIfNeeded: rest))
    }

    @inline(__always) func tag(_ number: UInt32, _ type: WireType) {
        varint(UInt64(number) << 3 | UInt64(type.rawValue))
    }

    private func fixed(_ bits: UInt64, bytes: Int) {
        var rest = bits
        for _ in 0..<bytes {
            out.append(UInt8(truncatingIfNeeded: rest))
            rest &>>= 8
        }
    }

    /// A number, boolean or enum value from its bits, without a tag.
    func bits(_ bits: UInt64, _ kind: ProtoField.Kind) {
        switch kind.wireType {
        case .fixed32: fixed(bits, bytes: 4)
        case .fixed64: fixed(bits, bytes: 8)
        default: varint(bits)
        }
    }

    func bytes(_ bytes: Span<UInt8>) {
        varint(UInt64(bytes.count))
        out.append(bytes)
    }

    // MARK: - Values whose length is known afterwards

    /// A length-delimited value being written: where its length stands, and the bytes kept free for it.
    struct Opened: BitwiseCopyable {
        let at: Int
        let reserved: Int
    }

    /// Begins a length-delimited value. `estimate`: its likely bytes; a wrong one costs a move at the end.
    func open(estimate: Int) -> Opened {
        let opened = Opened(at: out.count, reserved: Self.size(estimate))
        for _ in 0..<opened.reserved { out.append(0) }
        return opened
    }

    /// Ends the value: writes its length, in as few bytes as it takes.
    func close(_ opened: Opened) {
        let count = out.count - opened.at - opened.reserved
        let needed = Self.size(count)
        if needed > opened.reserved {
            for _ in opened.reserved..<needed { out.append(0) }
        }
        out.withMutableReadable { bytes in
            let from = opened.at + opened.reserved
            if needed != opened.reserved {
                bytes.withUnsafeMutableBytes { raw in
                    precondition(from + count <= raw.count && opened.at + needed + count <= raw.count)
                    guard let base = raw.baseAddress else { return }
                    memmove(base + (opened.at + needed), base + from, count)
                }
            }
            var rest = count
            for i in 0..<needed {
                bytes[opened.at + i] = UInt8(truncatingIfNeeded: rest & 0x7F) | (i + 1 < needed ? 0x80 : 0)
                rest >>= 7
            }
        }
        if needed < opened.reserved { out.dropLast(opened.reserved - needed) }
    }

    /// Bytes of `count` as a varint.
    private static func size(_ count: Int) -> Int {
        var size = 1
        var rest = count >> 7
        while rest > 0 {
            size += 1
            rest >>= 7
        }
        return size
    }
}
