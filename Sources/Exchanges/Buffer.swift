/// A growable run of bytes with a read end and a write end: `[consumed | readable | free]`.
///
/// Owned by one worker, never shared, so it is a plain class without locks. Memory comes from
/// `malloc` because the kernel writes into it; every access from outside goes through bounds-checked
/// `Span`s or through the checked `append` family.
public final class Buffer {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>
    @usableFromInline var size: Int
    @usableFromInline var readIndex: Int
    @usableFromInline var writeIndex: Int

    /// Not optional, and so free of reference counts to read; only storage of one size is the pool's.
    private let pool: BufferPool
    private let isPooled: Bool

    /// - Parameter capacity: bytes, at least 1.
    public init(capacity: Int) {
        precondition(capacity > 0)
        base = .allocate(capacity: capacity)
        size = capacity
        readIndex = 0
        writeIndex = 0
        pool = .none
        isPooled = false
    }

    /// Without storage until something is written; `giveBack` returns it to the pool.
    public init(pool: BufferPool) {
        base = Self.nothing
        size = 0
        readIndex = 0
        writeIndex = 0
        self.pool = pool
        isPooled = true
    }

    /// What a buffer without storage points at; nothing is ever read or written there.
    private nonisolated(unsafe) static let nothing = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

    deinit { dispose() }

    private func dispose() {
        guard size > 0 else { return }
        if isPooled && size == BufferPool.size { pool.give(base) } else { base.deallocate() }
    }

    /// Lets an empty buffer's storage go, to its pool when it has one.
    public func giveBack() {
        precondition(isEmpty)
        guard size > 0, isPooled else { return }
        dispose()
        base = Self.nothing
        size = 0
        clear()
    }

    /// Bytes this buffer can hold before it grows.
    @inlinable public var capacity: Int { size }
    /// Bytes written and not yet consumed.
    @inlinable public var count: Int { writeIndex &- readIndex }
    @inlinable public var isEmpty: Bool { writeIndex == readIndex }
    /// Bytes that can be written without growing or moving.
    @inlinable public var free: Int { size &- writeIndex }

    @inlinable public func clear() {
        readIndex = 0
        writeIndex = 0
    }

    /// Drops `n` bytes from the read end. An emptied buffer starts over at its beginning.
    @inlinable public func consume(_ n: Int) {
        precondition(n >= 0 && n <= count)
        readIndex &+= n
        if readIndex == writeIndex { clear() }
    }

    /// Declares `n` bytes of the free part written (by the kernel).
    @inlinable public func produced(_ n: Int) {
        precondition(n >= 0 && n <= free)
        writeIndex &+= n
    }

    /// Takes back the last `n` readable bytes.
    @inlinable public func dropLast(_ n: Int) {
        precondition(n >= 0 && n <= count)
        writeIndex &-= n
        if readIndex == writeIndex { clear() }
    }

    /// Moves the readable part to the front, so that all free bytes are behind it.
    public func compact() {
        guard readIndex > 0 else { return }
        let n = count
        base.update(from: base + readIndex, count: n)
        readIndex = 0
        writeIndex = n
    }

    /// Makes room for `n` more bytes: moves first, grows (doubling) only when that is not enough.
    @inlinable public func reserve(_ n: Int) {
        if size &- writeIndex < n { makeRoom(n) }
    }

    @usableFromInline func makeRoom(_ n: Int) {
        compact()
        guard size - writeIndex < n else { return }
        if isPooled, size < BufferPool.size, writeIndex + n <= BufferPool.size {
            move(to: pool.take(), size: BufferPool.size)
            return
        }
        var wanted = size == 0 ? 64 : size
        while wanted - writeIndex < n { wanted *= 2 }
        move(to: .allocate(capacity: wanted), size: wanted)
    }

    private func move(to storage: UnsafeMutablePointer<UInt8>, size: Int) {
        if writeIndex > 0 { storage.update(from: base, count: writeIndex) }
        dispose()
        base = storage
        self.size = size
    }

    /// Keeps just the storage that the readable part needs: for bytes that will wait for long.
    public func trim() {
        guard isPooled, size > 2 * count else { return }
        if isEmpty { return giveBack() }
        compact()
        move(to: .allocate(capacity: writeIndex), size: writeIndex)
    }

    /// The readable part, bounds-checked, for the length of the call.
    @inlinable public func withReadable<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        let bytes = UnsafeBufferPointer(start: base + readIndex, count: writeIndex &- readIndex)
        return try body(bytes.span)
    }

    /// The readable part, writable in place, for the length of the call (path normalisation).
    @inlinable public func withMutableReadable<R: ~Copyable, E: Error>(
        _ body: (inout MutableSpan<UInt8>) throws(E) -> R
    ) throws(E) -> R {
        let bytes = UnsafeMutableBufferPointer(start: base + readIndex, count: writeIndex &- readIndex)
        var span = bytes.mutableSpan
        return try body(&span)
    }

    /// The readable part as raw memory, for the kernel (`send`, `writev`). Reactor only.
    @inlinable public func withUnsafeReadable<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        body(UnsafeRawBufferPointer(start: base + readIndex, count: writeIndex &- readIndex))
    }

    /// The free part as raw memory, for the kernel (`recv`); follow with `produced`. Reactor only.
    @inlinable public func withUnsafeFree<R>(_ body: (UnsafeMutableRawBufferPointer) -> R) -> R {
        body(UnsafeMutableRawBufferPointer(start: base + writeIndex, count: size &- writeIndex))
    }

    @inlinable public subscript(_ i: Int) -> UInt8 {
        precondition(i >= 0 && i < count)
        return base[readIndex &+ i]
    }

    // MARK: - Appending

    @inlinable public func append(_ byte: UInt8) {
        reserve(1)
        base[writeIndex] = byte
        writeIndex &+= 1
    }

    @inline(__always) @inlinable public func append(_ text: StaticString) {
        let n = text.utf8CodeUnitCount
        reserve(n)
        (base + writeIndex).update(from: text.utf8Start, count: n)
        writeIndex &+= n
    }

    @inlinable public func append(_ bytes: borrowing Span<UInt8>) {
        let n = bytes.count
        guard n > 0 else { return }
        reserve(n)
        bytes.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress else { return }
            (base + writeIndex).update(from: start, count: n)
        }
        writeIndex &+= n
    }

    /// Appends `bytes` with their ASCII letters in lower case.
    public func append(lowercasing bytes: borrowing Span<UInt8>) {
        let n = bytes.count
        reserve(n)
        bytes.withUnsafeBytes { source in
            let target = UnsafeMutableRawPointer(base + writeIndex)
            var i = 0
            // Whole words, the last of which may lie over the one before it.
            while n >= 8 && i < n {
                i = min(i, n &- 8)
                let word = source.loadUnaligned(fromByteOffset: i, as: UInt64.self)
                target.storeBytes(of: word.asciiLowercasedBytes, toByteOffset: i, as: UInt64.self)
                i &+= 8
            }
            while i < n {
                target.storeBytes(of: source[i].asciiLowercased, toByteOffset: i, as: UInt8.self)
                i &+= 1
            }
        }
        writeIndex &+= n
    }

    /// Appends `slice` of `text`; traps when the slice does not lie inside it.
    @inlinable public func append(_ slice: Slice, of text: borrowing Span<UInt8>) {
        append(text.extracting(slice.range))
    }

    @inlinable public func append(_ bytes: [UInt8]) {
        append(bytes.span)
    }

    public func append(_ text: String) {
        var text = text
        text.withUTF8 { source in
            guard let start = source.baseAddress else { return }
            reserve(source.count)
            (base + writeIndex).update(from: start, count: source.count)
            writeIndex &+= source.count
        }
    }

    /// Decimal digits of a non-negative number.
    @inlinable public func append(decimal value: UInt64) {
        reserve(20)
        if value < 10 {
            base[writeIndex] = 48 &+ UInt8(truncatingIfNeeded: value)
            writeIndex &+= 1
            return
        }
        var digits = 0
        var probe = value
        while probe > 0 {
            probe /= 10
            digits &+= 1
        }
        var rest = value
        var at = writeIndex &+ digits
        while rest > 0 {
            at &-= 1
            base[at] = 48 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        writeIndex &+= digits
    }

    /// Lower-case hexadecimal digits of `value`; exactly `digits` of them when given.
    @inlinable public func append(hex value: UInt64, digits: Int = 0) {
        var n = digits
        if n == 0 {
            n = 1
            while n < 16 && value >> UInt64(n &* 4) != 0 { n &+= 1 }
        }
        precondition(n <= 16)
        reserve(16)
        let target = UnsafeMutableRawPointer(base + writeIndex)
        let low = Self.hexDigits(UInt32(truncatingIfNeeded: value))
        if n == 8 {
            target.storeBytes(of: low, as: UInt64.self)
        } else {
            let high = Self.hexDigits(UInt32(truncatingIfNeeded: value >> 32))
            if n == 16 {
                target.storeBytes(of: high, as: UInt64.self)
                target.storeBytes(of: low, toByteOffset: 8, as: UInt64.self)
            } else {
                var i = 0
                while i < n {
                    let place = 16 &- n &+ i
                    let word = place < 8 ? high : low
                    base[writeIndex &+ i] = UInt8(truncatingIfNeeded: word >> UInt64((place & 7) &* 8))
                    i &+= 1
                }
            }
        }
        writeIndex &+= n
    }

    /// The 36 characters of a UUID (RFC 9562 section 4), lower case.
    public func append(uuid high: UInt64, _ low: UInt64) {
        reserve(36)
        let target = UnsafeMutableRawPointer(base + writeIndex)
        let words = (
            Self.hexDigits(UInt32(truncatingIfNeeded: high >> 32)), Self.hexDigits(UInt32(truncatingIfNeeded: high)),
            Self.hexDigits(UInt32(truncatingIfNeeded: low >> 32)), Self.hexDigits(UInt32(truncatingIfNeeded: low))
        )
        target.storeBytes(of: words.0, as: UInt64.self)
        target.storeBytes(of: UInt32(truncatingIfNeeded: words.1), toByteOffset: 9, as: UInt32.self)
        target.storeBytes(of: UInt32(truncatingIfNeeded: words.1 >> 32), toByteOffset: 14, as: UInt32.self)
        target.storeBytes(of: UInt32(truncatingIfNeeded: words.2), toByteOffset: 19, as: UInt32.self)
        target.storeBytes(of: UInt32(truncatingIfNeeded: words.2 >> 32), toByteOffset: 24, as: UInt32.self)
        target.storeBytes(of: words.3, toByteOffset: 28, as: UInt64.self)
        base[writeIndex &+ 8] = 0x2d
        base[writeIndex &+ 13] = 0x2d
        base[writeIndex &+ 18] = 0x2d
        base[writeIndex &+ 23] = 0x2d
        writeIndex &+= 36
    }

    /// Eight digits at once, the most significant in the lowest byte: nibbles are spread to bytes,
    /// then each is moved to `0`-`9` or `a`-`f` without a branch. (A third of a new trace id's cost
    /// was digits.)
    @usableFromInline static func hexDigits(_ value: UInt32) -> UInt64 {
        var x = UInt64(value)
        x = (x | x << 16) & 0x0000_ffff_0000_ffff
        x = (x | x << 8) & 0x00ff_00ff_00ff_00ff
        x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f
        let letters = ((x &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return (x &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).byteSwapped.littleEndian
    }

    /// A copy of the readable part, for what must leave the worker.
    public func copyReadable() -> [UInt8] {
        // Without elements the standard library would write a zero into the one empty array all threads share.
        if isEmpty { return [] }
        return withReadable { span in
            [UInt8](unsafeUninitializedCapacity: span.count) { target, n in
                n = span.count
                span.withUnsafeBufferPointer { source in
                    if let from = source.baseAddress { target.baseAddress?.update(from: from, count: n) }
                }
            }
        }
    }
}
