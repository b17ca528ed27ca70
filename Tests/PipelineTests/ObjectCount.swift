import Glibc
import Synchronization

/// Counts the objects one thread makes, with the hooks the Swift runtime has for its instruments.
enum ObjectCount {
    private typealias Allocate = @convention(c) (UnsafeRawPointer?, Int, Int) -> UnsafeMutableRawPointer?

    private static let count = Atomic<Int>(0)
    private static let thread = Atomic<UInt>(0)
    // Written once, before the hook that reads it is in place.
    nonisolated(unsafe) private static var original: Allocate?

    /// Counts from now on what the calling thread makes; false when the runtime has no hooks.
    static func begin() -> Bool {
        let process = dlopen(nil, RTLD_NOW)
        guard let hook = dlsym(process, "_swift_allocObject")?.assumingMemoryBound(to: Allocate.self),
            let isOn = dlsym(process, "_swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly")
        else { return false }
        if original == nil {
            original = hook.pointee
            hook.pointee = { type, size, alignment in
                if ObjectCount.thread.load(ordering: .relaxed) == UInt(pthread_self()) {
                    ObjectCount.count.add(1, ordering: .relaxed)
                }
                return ObjectCount.original?(type, size, alignment)
            }
            isOn.storeBytes(of: 1, as: UInt8.self)
        }
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        count.store(0, ordering: .relaxed)
        return true
    }

    /// The objects made since `begin`.
    static func end() -> Int {
        thread.store(0, ordering: .relaxed)
        return count.load(ordering: .relaxed)
    }
}
