internal import CNghttp2
internal import Glibc

/// Memory for the engines of one worker's sessions: blocks of a few sizes, kept for the next who asks. A stream
/// takes a dozen small ones; the system's allocator keeps only seven of a size at hand, and hundreds of streams
/// run at a time.
///
/// Belongs to one thread, like the sessions.
public final class HTTP2Memory {
    /// Every block begins with what it is; the rest of this is alignment.
    private struct Label {
        /// Its place in `spare`; `sizes` = larger than those.
        var place: Int
        /// Bytes asked for.
        var size: Int
    }

    private static let label = 16
    /// Sizes are multiples of this.
    private static let step = 64
    private static let sizes = 16
    /// Bytes kept of one size.
    private static let most = 256 << 10

    /// By size, the first of a chain of free blocks; each holds the next where its bytes would be.
    private let spare: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private let counts: UnsafeMutablePointer<Int>

    public init() {
        spare = .allocate(capacity: Self.sizes)
        spare.initialize(repeating: nil, count: Self.sizes)
        counts = .allocate(capacity: Self.sizes)
        counts.initialize(repeating: 0, count: Self.sizes)
    }

    deinit {
        for place in 0..<Self.sizes {
            while let block = pop(place) { Glibc.free(block) }
        }
        spare.deallocate()
        counts.deallocate()
    }

    private func pop(_ place: Int) -> UnsafeMutableRawPointer? {
        guard let block = spare[place] else { return nil }
        spare[place] = (block + Self.label).load(as: UnsafeMutableRawPointer?.self)
        counts[place] &-= 1
        return block
    }

    /// At least `size` bytes, aligned as `malloc` does; nil when memory ran out.
    func take(_ size: Int) -> UnsafeMutableRawPointer? {
        guard size >= 0, size <= Int.max - Self.label else { return nil }
        let place = min(size == 0 ? 0 : (size - 1) / Self.step, Self.sizes)
        var block: UnsafeMutableRawPointer?
        if place < Self.sizes { block = pop(place) ?? Glibc.malloc(Self.label + (place + 1) * Self.step) } else { block = Glibc.malloc(Self.label + size) }
        guard let block else { return nil }
        block.storeBytes(of: Label(place: place, size: size), as: Label.self)
        return block + Self.label
    }

    /// Takes back what `take` gave; nil is nothing.
    func give(_ bytes: UnsafeMutableRawPointer?) {
        guard let bytes else { return }
        let block = bytes - Self.label
        let place = block.load(as: Label.self).place
        guard place < Self.sizes, counts[place] &* (place &+ 1) &* Self.step < Self.most else { return Glibc.free(block) }
        bytes.storeBytes(of: spare[place], as: UnsafeMutableRawPointer?.self)
        spare[place] = block
        counts[place] &+= 1
    }

    /// As `realloc` does.
    func resize(_ bytes: UnsafeMutableRawPointer?, to size: Int) -> UnsafeMutableRawPointer? {
        guard let bytes else { return take(size) }
        let held = (bytes - Self.label).load(as: Label.self)
        guard let larger = take(size) else { return nil }
        larger.copyMemory(from: bytes, byteCount: min(held.size, size))
        give(bytes)
        return larger
    }

    // MARK: - For the engine

    /// This memory as nghttp2 asks for it; valid while this object lives.
    var functions: nghttp2_mem {
        nghttp2_mem(
            mem_user_data: Unmanaged.passUnretained(self).toOpaque(),
            malloc: { size, me in HTTP2Memory.of(me) { $0.take(size) } },
            free: { bytes, me in HTTP2Memory.of(me) { $0.give(bytes) } },
            calloc: { count, size, me in
                let (bytes, isTooMuch) = count.multipliedReportingOverflow(by: size)
                guard !isTooMuch else { return nil }
                return HTTP2Memory.of(me) { memory in
                    let made = memory.take(bytes)
                    made?.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
                    return made
                }
            },
            realloc: { bytes, size, me in HTTP2Memory.of(me) { $0.resize(bytes, to: size) } })
    }

    /// nghttp2 hands back the pointer it was given, while a session lives, which keeps this object.
    @inline(__always)
    private static func of<R>(_ me: UnsafeMutableRawPointer?, _ body: (HTTP2Memory) -> R) -> R {
        guard let me else { preconditionFailure("nghttp2 forgot whose memory it uses") }
        return Unmanaged<HTTP2Memory>.fromOpaque(me)._withUnsafeGuaranteedRef(body)
    }
}
