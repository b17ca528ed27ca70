import Exchanges
import Telemetry

/// Whatever the bytes, what is logged is valid UTF-8 without anything JSON would have to escape, and
/// masking twice hides no less than masking once.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    let masked = Buffer(capacity: 64)
    if Masking.isSuspicious(input) {
        Masking.mask(input, into: masked)
    } else {
        masked.append(input)
        let same = Buffer(capacity: 64)
        Masking.mask(input, into: same)
        precondition(same.copyReadable() == masked.copyReadable(), "what is not suspicious has nothing to hide")
    }
    let line = Buffer(capacity: 64)
    masked.withReadable { JSONText.append($0, to: line) }
    let bytes = line.copyReadable()
    precondition(bytes.allSatisfy { $0 >= 0x20 })
    precondition(String(validating: bytes, as: UTF8.self) != nil)
    return 0
}
